/**
 * Pseudo-labels made to follow object masks (SEPL: Chen et al. 2023; paper section 4). A mask that a class fills, or that holds
 * nearly all of a class, goes to that class. Three rules are the public code's, one is ours.
 */
import { areaOfRuns, type Runs } from "../../formats/coco-runs.ts";
import type { LabelMap } from "../../formats/indexed-png.ts";
import type { Settings } from "../../stamped-folder.ts";
import { UNKNOWN } from "../refine-labels.ts";

/**
 * - `max_iou_imp2`: a mask goes to the lowest class of which it holds more than half its own pixels, or at least 85 % of the class'.
 *   Pixels of a class that no mask still free covers keep it; the rest is background. Higher classes are painted over lower ones.
 * - `max_iou_imp`: without the 85 % rule. `max_iou`: without the kept pixels either.
 * - `best_fit` (ours): of the classes with more than 60 % of the mask, or 85 % of their own pixels in it, a mask goes to the one with the
 *   largest IoU, and where masks overlap the one with the larger IoU is on top. Pixels that no mask covers keep their label, 255 (unknown) included.
 */
export const MERGE_RULES = ["best_fit", "max_iou_imp2", "max_iou_imp", "max_iou"] as const;
export type MergeRule = (typeof MERGE_RULES)[number];

export interface MergeOptions {
  rule: MergeRule;
  /** Number of classes, background included; ids from here on are background to the public rules (default 256: none is). */
  classes?: number;
}

/** Share of a class' pixels from which on a mask may be its, however much else it holds. */
const RECALL = 0.85;

/** Share of a mask's pixels above which it may be a class' to `best_fit`: with half of them, masks carry classes into the background. */
const PRECISION = 0.6;

/** What decides over merged label maps, for the settings that lie beside them. */
export function mergeSettings(options: MergeOptions): Settings {
  return options.rule === "best_fit" ? { ...options, precision: PRECISION } : { ...options };
}

/**
 * The label map with its classes grown and cut to the masks.
 * @param labels ids, 0 = background, 255 = unknown
 * @param masks pixels of each mask, numbered down the columns of the label map
 */
export function mergeMasks(labels: LabelMap, masks: readonly Runs[], options: MergeOptions): LabelMap {
  const { width, height } = labels;
  const columns = transposed(labels.data, { width, height });
  const input: MergeInput = { labels: columns, masks, counts: masks.map((runs) => countLabels(columns, runs)) };
  const merged = options.rule === "best_fit" ? mergeByFit(input) : mergeInOrder(input, options);
  return { width, height, data: transposed(merged, { width: height, height: width }) };
}

interface MergeInput {
  /** Labels down the columns, as the masks number them. */
  labels: Uint8Array;
  masks: readonly Runs[];
  /** How many pixels of each label each mask holds: 256 numbers a mask. */
  counts: readonly Uint32Array[];
}

function mergeInOrder({ labels, masks, counts }: MergeInput, { rule, classes = 256 }: MergeOptions): Uint8Array {
  const out = new Uint8Array(labels.length);
  const areas = countLabels(labels, [0, labels.length]);
  const free = new Set(masks.keys());
  // The class that last saw a free mask here: what a class' own pixels are checked against.
  const covered = new Uint8Array(labels.length);
  for (let id = 1; id < Math.min(classes, UNKNOWN); id++) {
    const area = areas[id]!;
    if (area === 0) continue;
    for (const mask of free) {
      const runs = masks[mask]!;
      const inside = counts[mask]![id]!;
      paint(covered, runs, id);
      const filled = 2 * inside > areaOfRuns(runs);
      if (!filled && !(rule === "max_iou_imp2" && inside / area >= RECALL)) continue;
      paint(out, runs, id);
      free.delete(mask);
    }
    if (rule === "max_iou") continue;
    for (let i = 0; i < labels.length; i++) if (labels[i] === id && covered[i] !== id) out[i] = id;
  }
  return out;
}

function mergeByFit({ labels, masks, counts }: MergeInput): Uint8Array {
  const areas = countLabels(labels, [0, labels.length]);
  const out = labels.slice();
  const given: { runs: Runs; id: number; fit: number; size: number }[] = [];
  for (const [mask, runs] of masks.entries()) {
    paint(out, runs, 0);
    const size = areaOfRuns(runs);
    let best = { id: 0, fit: 0 };
    for (const [id, inside] of counts[mask]!.entries()) {
      if (id === 0 || id === UNKNOWN || inside === 0) continue;
      if (inside <= PRECISION * size && inside / areas[id]! < RECALL) continue;
      const fit = inside / (size + areas[id]! - inside);
      if (fit > best.fit) best = { id, fit };
    }
    if (best.id > 0) given.push({ runs, ...best, size });
  }
  // Of masks that fit equally well the smaller is on top, of equal ones the first.
  given.reverse();
  given.sort((a, b) => a.fit - b.fit || b.size - a.size);
  for (const { runs, id } of given) paint(out, runs, id);
  return out;
}

function countLabels(labels: Uint8Array, runs: Runs): Uint32Array {
  const counts = new Uint32Array(256);
  for (let i = 0; i < runs.length; i += 2) {
    for (let at = runs[i]!; at < runs[i + 1]!; at++) counts[labels[at]!]!++;
  }
  return counts;
}

function paint(target: Uint8Array, runs: Runs, id: number): void {
  for (let i = 0; i < runs.length; i += 2) target.fill(id, runs[i]!, runs[i + 1]!);
}

/** Rows as columns. @param size of the map that comes in */
function transposed(data: Uint8Array, { width, height }: { width: number; height: number }): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) out[x * height + y] = data[y * width + x]!;
  return out;
}
