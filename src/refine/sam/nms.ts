/** Of boxes that overlap much, the one with the highest score. */
import type { Box } from "./crops.ts";

/**
 * Greedy suppression as torchvision's nms has it, in its float32.
 * @returns the positions of those that stay, by descending score; of equal scores the earlier first
 */
export function suppress(boxes: readonly Box[], scores: readonly number[], threshold: number): number[] {
  const order = boxes.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const kept: number[] = [];
  for (const i of order) {
    // Empty boxes have no overlap with anything: 0 ÷ 0 is not greater.
    if (!kept.some((k) => overlap(boxes[k]!, boxes[i]!) > threshold)) kept.push(i);
  }
  return kept;
}

/** Intersection over union. */
function overlap(a: Box, b: Box): number {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const both = Math.fround(width * height);
  return Math.fround(both / Math.fround(area(a) + area(b) - both));
}

export function area([x0, y0, x1, y1]: Box): number {
  return (x1 - x0) * (y1 - y0);
}
