/**
 * csrm as a library: the method and everything around it. The tensor library is "csrm/torch".
 *
 *     import { createProgress, loadRecipe, openRun, runPipeline } from "csrm";
 *     const run = openRun({ out: "runs/mine", recipe: loadRecipe("my-recipe.yaml") });
 *     const summary = await runPipeline(run, createProgress());
 */

// Data
export { type DatasetOptions, openDataset } from "./data/dataset.ts";
export { decodeImage } from "./data/image.ts";
export { Loader, type LoaderOptions } from "./data/loader.ts";
export { Rng } from "./data/rng.ts";
export { generateToy } from "./data/toy/index.ts";
export type { Batch, ClassTable, Dataset, RgbImage, Sample } from "./data/types.ts";
export { CsrmError } from "./errors.ts";
// Evaluation and report
export { type EvaluateOptions, evaluatePredictions } from "./evaluation/evaluate.ts";
export type { Evaluation } from "./evaluation/evaluation.ts";
export { decodeLabelPng, encodeIndexedPng } from "./formats/indexed-png.ts";
// Inference
export { type Prediction, Predictor, type PredictorOptions } from "./inference/predictor.ts";
export { labelMapOf } from "./inference/pseudo-labels.ts";
// Losses
export { activationConsistencyLoss } from "./losses/activation-consistency.ts";
export { classificationLoss } from "./losses/classification.ts";
export { contrastiveLoss } from "./losses/contrastive.ts";
export { MemoryBank, type MemoryBankOptions } from "./losses/memory-bank.ts";
export { segmentationLoss, tagSegmentationLoss } from "./losses/segmentation.ts";
export { segmentationConsistencyLoss } from "./losses/segmentation-consistency.ts";
// Networks
export { Classifier, type ClassifierOutput } from "./models/classifier.ts";
export { CSRM, type CSRMForwardOptions, type CSRMOptions, type CSRMOutput } from "./models/csrm.ts";
export { DEEPLAB_V2_MEAN_BGR, DeepLabV2 } from "./models/deeplab-v2.ts";
export { DeepLabV3Plus, type DeepLabV3PlusOptions } from "./models/deeplab-v3plus.ts";
export { type FreezeOptions, freeze } from "./models/freeze.ts";
export { loadBackboneWeights, loadStartClassifier } from "./models/load-weights.ts";
export { buildModel, type ModelInfo, openModel, saveModel } from "./models/model-file.ts";
export { MultiScale, type MultiScaleLogits } from "./models/multi-scale.ts";
export { type BackboneInfo, backbones, createBackbone } from "./models/registry.ts";
export type { SamVariant } from "./models/sam/config.ts";
export { loadSam } from "./models/sam/load-sam.ts";
export type { Prompts } from "./models/sam/prompt-encoder.ts";
export type { Embedded, Sam } from "./models/sam/sam.ts";
// The pipeline
export { runPipeline, type Summary } from "./pipeline/run.ts";
export { createProgress, type Progress, silentProgress } from "./progress.ts";
// The dense CRF
export { type CrfParams, crfPresets } from "./refine/crf-params.ts";
export { denseCrf, denseCrfLabels } from "./refine/dense-crf.ts";
export { readMaskFile, type StoredMask } from "./refine/masks/mask-files.ts";
// Segment Anything
export { generateMasks } from "./refine/sam/generate.ts";
export { type MaskOptions, maskDefaults } from "./refine/sam/options.ts";
export type { FoundMask } from "./refine/sam/point-masks.ts";
export { buildReport, type ReportOptions } from "./report/build.ts";
export { openRun, type Run } from "./run-folder.ts";
// Training
export { loadRecipe, type Recipe } from "./training/config.ts";
export { csrmStep } from "./training/csrm-step.ts";
export { pseudoLabels } from "./training/pseudo-labels.ts";
