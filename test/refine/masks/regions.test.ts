import { expect, test } from "vitest";
import { DEFAULT_REGIONS, regionProposals } from "../../../src/refine/masks/regions.ts";

test("texture makes no regions of its own, unless it is to stay", () => {
  const [width, height] = [40, 20];
  // Thin dark lines on light ground.
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (Math.floor(i / 3) % 5 === 2 ? 10 : 220));
  const settings = { ...DEFAULT_REGIONS, scales: [20], sigma: 0, min_size: 5 };
  const whole = [[0, width * height]];
  expect(regionProposals({ data, width, height }, settings)).toEqual(whole);
  expect(regionProposals({ data, width, height }, { ...settings, median: 1 }).length).toBe(17);
});
