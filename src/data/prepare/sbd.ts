/**
 * The class masks of the Semantic Boundaries Dataset, `cls/<id>.mat`. Reads pixel annotations, for `csrm data prepare`
 * only: nothing that trains may import this file.
 */

import { expected } from "../../errors.ts";
import type { LabelMap } from "../../formats/indexed-png.ts";
import { type MatValue, readMat5 } from "../../formats/mat5.ts";

/** Enough for any photograph; SBD's files unpack to less than a mebibyte. */
const MAX_BYTES = 2 ** 26;

/**
 * GTcls.Segmentation as a label map: VOC's ids 0..20.
 * @param name the file's name, for messages
 * @throws CsrmError naming the file when it is damaged, is no class mask, or holds an id beyond 20
 */
export function decodeSbdMask(bytes: Uint8Array, name: string): LabelMap {
  const root = readMat5(bytes, name, { maxBytes: MAX_BYTES }).get("GTcls");
  const value = root?.kind === "struct" ? root.fields.get("Segmentation")?.[0] : undefined;
  if (!isMatrix(value)) throw expected("a matrix GTcls.Segmentation", name, value?.kind ?? "none");
  const [height, width] = value.dims as [number, number];
  if (width === 0 || height === 0) throw expected("a mask with pixels", name, `${width} × ${height}`);
  const labels = new Uint8Array(width * height);
  for (let x = 0, at = 0; x < width; x++) {
    for (let y = 0; y < height; y++, at++) {
      const id = Number(value.data[at]);
      if (!(Number.isInteger(id) && id >= 0 && id <= 20)) throw expected("ids in 0..20", `${name}, x ${x}, y ${y}`, id);
      labels[y * width + x] = id;
    }
  }
  return { data: labels, width, height };
}

function isMatrix(value: MatValue | undefined): value is Extract<MatValue, { kind: "numeric" }> {
  return value?.kind === "numeric" && value.dims.length === 2;
}
