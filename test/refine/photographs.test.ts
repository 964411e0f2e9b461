import { expect, test } from "vitest";
import { sidePlan } from "../../src/refine/photographs.ts";

test.each([
  [100, 50, { least: 250 }, [250, 125]],
  [600, 2000, { least: 250, most: 1000 }, [300, 1000]],
  [500, 375, { least: 250, most: 1000 }, null],
  [400, 1, { most: 100 }, [100, 1]],
  [100, 50, { least: 250, most: 24 }, [24, 12]],
  [100, 50, {}, null],
] as const)("a photograph of %i × %i is read with a longest side of %j as %j", (width, height, sides, wanted) => {
  const { plan } = sidePlan({ width, height }, sides);
  expect(plan ?? null).toEqual(wanted && { width: wanted[0], height: wanted[1], kernel: "cubic" });
});
