/** How a lattice's vertices become numbers, so that equal ones have equal numbers and walking along an axis adds a constant. */
import { CsrmError } from "../errors.ts";

/** The key of a vertex is base + group · span + Σ coordinate · stride over its first d coordinates; the last follows from them. */
export interface Numbering {
  /** What each feature is multiplied by. */
  scale: number[];
  strides: number[];
  /** What walking along each of the d + 1 axes adds to a key. */
  steps: number[];
  base: number;
  span: number;
}

/** How many groups of points with these extents can be numbered together; 0: not even one. */
export function mostGroups(extents: readonly number[]): number {
  return Math.floor(Number.MAX_SAFE_INTEGER / numbering(extents, 0).span);
}

/**
 * @param extents the features are between 0 and these
 * @throws CsrmError when they are so large that vertices cannot be numbered
 */
export function numbering(extents: readonly number[], groups: number): Numbering {
  const d = extents.length;
  const scale = extents.map((_, i) => (Math.sqrt(2 / 3) * (d + 1)) / Math.sqrt((i + 1) * (i + 2)));
  // The ranges of the elevated coordinates: the first is a sum of all features, each further one loses a feature of its own.
  let reach = 0;
  const ranges: [number, number][] = new Array(d + 1);
  for (let j = d; j >= 1; j--) {
    ranges[j] = [-j * extents[j - 1]! * scale[j - 1]!, reach];
    reach += extents[j - 1]! * scale[j - 1]!;
  }
  ranges[0] = [0, reach];
  const strides: number[] = [];
  let [base, span] = [0, 1];
  for (const [low, high] of ranges.slice(0, d)) {
    // A vertex is within d + 1 of the rounded point, which is within d + 1 of the pixel; neighbours are d + 1 further.
    const first = Math.floor(low) - 3 * (d + 1);
    strides.push(span);
    base -= first * span;
    span *= Math.ceil(high) + 3 * (d + 1) - first + 1;
  }
  if (span * groups > Number.MAX_SAFE_INTEGER) {
    throw new CsrmError("expected sxy and srgb that are not tiny against the image's size and colours", {
      code: "crf",
    });
  }
  const total = strides.reduce((a, b) => a + b, 0);
  const steps = [...strides.map((stride) => total - (d + 1) * stride), total];
  return { scale, strides, base, span, steps };
}
