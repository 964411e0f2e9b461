/**
 * The result of one evaluation: its figures and, beside them, everything that says how they were made. Keys are those
 * of evaluate/*.json.
 */
import type { ClassTable } from "../data/types.ts";
import { CsrmError, expected, messageOf } from "../errors.ts";
import { readTextSync } from "../files.ts";
import type { Source } from "../inference/predictor.ts";
import type { Confusion } from "./confusion.ts";
import { type Metrics, metricsOf } from "./metrics.ts";
import { bestPoint, SWEEP_THRESHOLDS, type SweepPoint, type ThresholdSweep } from "./threshold-sweep.ts";

/** What was evaluated, for whoever reads the figures. Passed through as given; null or absent = not stated. */
export interface EvaluationLabel {
  /** Key of the method, e.g. "start", "csrm", "csrm_crf". */
  method?: string | null;
  /** Its name in tables, e.g. "CSRM + dCRF". */
  label?: string | null;
  /** The list of images, e.g. "train". */
  split?: string | null;
  /** Test-time augmentation, e.g. "scales 0.5, 1, 1.5, 2 and flip", or "none". */
  tta?: string | null;
  /** Whether a dense CRF refined the predictions. */
  crf?: boolean | null;
  /** Which of csrm predict's scores was measured; null: label maps, or activation maps of another program. */
  source?: Source | null;
  /** Folder of the predictions. */
  predictions?: string | null;
  /** Folder of the masks. */
  masks?: string | null;
  /** Folder of the photographs. */
  images?: string | null;
}

/** A point of a threshold sweep, without the pixel counts. */
export type SweepFigures = Pick<SweepPoint, "threshold" | "miou" | "miou_fg" | "fp" | "fn" | "iou">;

/** Figures are fractions 0–1; arrays have one entry a class of {@link names}. */
export interface Evaluation extends Metrics, Required<EvaluationLabel> {
  /** "labels": label maps, which may have been made from scores at a threshold; "cams": scores with a background threshold. */
  kind: "labels" | "cams";
  /** Number of images. */
  count: number;
  /** Images whose prediction had another size than the mask and was resized (nearest). */
  resized: number;
  /** The background threshold of these figures; null where none was applied here. */
  threshold: number | null;
  /** Where the threshold comes from, e.g. "best on this split", "given", "best on train"; null without a threshold. */
  threshold_from: string | null;
  /** The first of the tried thresholds with the highest mIoU on this very split; null without a threshold. */
  best: SweepFigures | null;
  /** All tried thresholds, ascending; null without a threshold. */
  sweep: SweepFigures[] | null;
  /** In a run: digest of what the figures were made from, to know them again. */
  inputs?: string;
  /** Dataset ids of the classes. */
  ids: number[];
  names: string[];
}

/** What the builders need besides the pixels. */
export interface EvaluationContext extends EvaluationLabel {
  classes: ClassTable;
  count: number;
  resized?: number;
}

export const BEST_ON_THIS_SPLIT = "best on this split";

/** The evaluation of label maps. */
export function evaluationOfLabels(confusion: Confusion, context: EvaluationContext): Evaluation {
  return assemble(metricsOf(confusion), "labels", context);
}

/** What {@link evaluationOfCams} needs of a sweep; a {@link ThresholdSweep} has it. */
export type SweptConfusions = Pick<ThresholdSweep, "points" | "confusionAt">;

/**
 * The evaluation of CAMs at one threshold, with the whole sweep beside it.
 * @param options.threshold one of the sweep's thresholds, or "sweep": the best one on these images
 * @param options.thresholdFrom how a given threshold was chosen (default "given")
 */
export function evaluationOfCams(
  sweep: SweptConfusions,
  options: EvaluationContext & { threshold: number | "sweep"; thresholdFrom?: string },
): Evaluation {
  const points = sweep.points();
  const best = bestPoint(points);
  const chosen = options.threshold === "sweep" ? best.threshold : options.threshold;
  return {
    ...assemble(metricsOf(sweep.confusionAt(chosen)), "cams", options),
    threshold: chosen,
    threshold_from: options.threshold === "sweep" ? BEST_ON_THIS_SPLIT : (options.thresholdFrom ?? "given"),
    best: figures(best),
    sweep: points.map(figures),
  };
}

/** The thresholds to sweep so that {@link evaluationOfCams} can give figures at `threshold`. */
export function thresholdsFor(threshold: number | "sweep"): readonly number[] {
  return threshold === "sweep" ? SWEEP_THRESHOLDS : [...SWEEP_THRESHOLDS, threshold];
}

/**
 * Reads an evaluation from a JSON file. @throws CsrmError naming the file when it is missing, damaged or something
 * else
 */
export function readEvaluation(file: string): Evaluation {
  let value: unknown;
  try {
    value = JSON.parse(readTextSync(file));
  } catch (error) {
    if (error instanceof CsrmError) throw error;
    throw new CsrmError(`cannot read ${file} as an evaluation: ${messageOf(error)}`, { code: "data", cause: error });
  }
  if (!isEvaluation(value)) {
    throw expected("an evaluation with count, miou, miou_fg, fp, fn, names, ids, iou and truth", file, value);
  }
  return value;
}

function isEvaluation(value: unknown): value is Evaluation {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Record<string, unknown>;
  const classes = Array.isArray(fields.names) ? fields.names.length : -1;
  return (
    ["count", "miou", "miou_fg", "fp", "fn"].every((key) => typeof fields[key] === "number") &&
    ["ids", "iou", "truth"].every((key) => Array.isArray(fields[key]) && fields[key].length === classes) &&
    ["best", "sweep", "method", "label", "split", "threshold"].every((key) => key in fields)
  );
}

/** Mean IoU by method and list, as summary.json has it; `miou` is that of a method's first list. */
export function miousOf(evaluations: readonly Evaluation[]): Record<string, Record<string, number>> {
  const methods: Record<string, Record<string, number>> = {};
  for (const { method, split, miou } of evaluations) {
    methods[method!] ??= { miou };
    methods[method!]![split!] = miou;
  }
  return methods;
}

function assemble(metrics: Metrics, kind: Evaluation["kind"], context: EvaluationContext): Evaluation {
  const { classes, count, resized = 0 } = context;
  return {
    method: context.method ?? null,
    label: context.label ?? null,
    split: context.split ?? null,
    count,
    kind,
    threshold: null,
    threshold_from: null,
    tta: context.tta ?? null,
    crf: context.crf ?? null,
    source: context.source ?? null,
    ...metrics,
    best: null,
    sweep: null,
    resized,
    predictions: context.predictions ?? null,
    masks: context.masks ?? null,
    images: context.images ?? null,
    ids: [...classes.ids],
    names: [...classes.names],
  };
}

function figures({ threshold, miou, miou_fg, fp, fn, iou }: SweepPoint): SweepFigures {
  return { threshold, miou, miou_fg, fp, fn, iou };
}
