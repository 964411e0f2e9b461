/** Scores at the image's own size from what `csrm predict` keeps: the very ones that its label maps are made from. */
import { naming } from "../errors.ts";
import { readPrediction } from "../inference/prediction-file.ts";
import type { Source } from "../inference/predictor.ts";
import { scoreMaps } from "../inference/pseudo-labels.ts";
import { noGrad, scope } from "../torch/index.ts";
import type { CamFile } from "./predictions.ts";

/** @throws CsrmError naming the file when it is missing, damaged or lacks what the source needs */
export async function readScoreMaps(file: string, source: Source): Promise<CamFile> {
  const prediction = await readPrediction(file);
  const [height, width] = prediction.image;
  const scores = noGrad(() =>
    scope(() => naming(file, () => scoreMaps(prediction, source).contiguous().toTypedArray() as Float32Array)),
  );
  return { ids: prediction.keys.slice(1), scores, width, height, hasFullSize: true };
}
