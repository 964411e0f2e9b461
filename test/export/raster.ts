/**
 * Fills rings at the pixels' centres by the even-odd rule, and by the non-zero rule, which must agree: the plainest readings of
 * a polygon, apart from how ours are traced.
 */
import { expect } from "vitest";

/** Adds 1 to every pixel of `mask` (height × width) whose centre lies inside. */
export function fillRing(ring: readonly number[], mask: Uint8Array, width: number): void {
  const height = mask.length / width;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) if (isInside(ring, x + 0.5, y + 0.5)) mask[y * width + x]!++;
  }
}

function isInside(ring: readonly number[], x: number, y: number): boolean {
  let crossings = 0;
  let winding = 0;
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
    const [x0, y0, x1, y1] = [ring[i]!, ring[i + 1]!, ring[j]!, ring[j + 1]!];
    if (y0 > y === y1 > y || x >= x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)) continue;
    crossings++;
    winding += y1 > y0 ? 1 : -1;
  }
  if ((crossings % 2 === 1) !== (winding !== 0)) expect([crossings, winding]).toBe("the same by both rules");
  return winding !== 0;
}
