/**
 * Activation maps at the image's own size from what `csrm predict` keeps: the very maps that its label maps are made
 * from.
 */
import { fullCams } from "../inference/cam.ts";
import { readPrediction } from "../inference/prediction-file.ts";
import { fromTypedArray, noGrad, scope } from "../torch/index.ts";
import type { CamFile } from "./predictions.ts";

/** @throws CsrmError naming the file when it is missing, damaged or holds no activations */
export async function readFullCams(file: string): Promise<CamFile> {
  const { keys, activations, image, covered } = await readPrediction(file);
  const [height, width] = image;
  const scores = noGrad(() =>
    scope(() => {
      const scales = activations.map((maps) => fromTypedArray(maps.data, [maps.planes, maps.height, maps.width]));
      return fullCams(scales, image, covered).contiguous().toTypedArray() as Float32Array; // [n, H, W]
    }),
  );
  return { ids: keys.slice(1), scores, width, height, hasFullSize: true };
}
