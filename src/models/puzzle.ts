/** Puzzle-CAM's puzzle module (Jo and Yu, 2021): images cut into tiles that a network sees one by one, and its maps put together again. */
import { expected } from "../errors.ts";
import { cat, scope, type Tensor } from "../torch/index.ts";

/**
 * Cuts every image into tiles², row by row: all top left tiles first, in the images' order, then those to their right.
 * @param x [B, c, H, W]; H and W are multiples of `tiles`
 * @param tiles along each side, at least 1
 * @returns [tiles²·B, c, H / tiles, W / tiles]
 */
export function cutIntoTiles(x: Tensor, tiles: number): Tensor {
  const [height, width] = x.shape.slice(2) as [number, number];
  if (height % tiles !== 0 || width % tiles !== 0) {
    throw expected(`a multiple of ${tiles} for height and width`, "an image to cut into tiles", `${height} × ${width}`);
  }
  const [h, w] = [height / tiles, width / tiles];
  return scope(() => {
    const rows = x.split(h, 2).flatMap((row) => row.split(w, 3));
    return cat(rows, 0);
  });
}

/** The reverse of cutIntoTiles. @param x [tiles²·B, c, h, w] @returns [B, c, tiles·h, tiles·w] */
export function joinTiles(x: Tensor, tiles: number): Tensor {
  const count = tiles * tiles;
  if (x.shape[0]! % count !== 0) throw expected(`a multiple of ${count} tiles`, "tiles to join", x.shape[0]);
  return scope(() => {
    const pieces = x.split(x.shape[0]! / count, 0);
    const rows = Array.from({ length: tiles }, (_, row) => cat(pieces.slice(row * tiles, (row + 1) * tiles), 3));
    return cat(rows, 2);
  });
}
