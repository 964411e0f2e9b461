/** Reading starts.json: what make-starts.py computed of Puzzle-CAM's and P-NOC's terms. */
import { tensor } from "../../src/torch/index.ts";
import { fillInput } from "../helpers/fill.ts";
import { type Golden, readGolden } from "../helpers/golden.ts";

export const { terms } = readGolden<{
  terms: {
    tags: number[][];
    chosen: (number | null)[];
    reconstruction: { loss: number; grad_cam: Golden; grad_pieces: Golden };
    soft: { images: Golden; grad_cam: Golden };
    /** Places of erased pixels among [B, H, W]. */
    hard: { threshold: number; erased: number[] }[];
  };
}>("starts");

/** The inputs of the terms: everything follows from names. */
export function inputs() {
  const tags = tensor(terms.tags, { dtype: "float64" });
  const rows = terms.chosen.map((c) => terms.tags[0]!.map((_, i) => (i === c ? 1 : 0)));
  return {
    images: fillInput("images", [3, 3, 8, 12]).double(),
    cam: fillInput("cam", [3, 4, 4, 6]).double().requiresGrad_(),
    pieces: fillInput("pieces", [3, 4, 4, 6]).double().requiresGrad_(),
    tags,
    chosen: tensor(rows, { dtype: "float64" }),
  };
}
