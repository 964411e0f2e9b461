/** What tests of the dense CRF share: images as tensors, made-up scenes, and run-length lists. */
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { fromTypedArray, type Tensor } from "../../src/torch/index.ts";

/** Reads test/golden/<file> as [H, W, channels] bytes, with one channel for grey images. */
export async function readPixels(file: string) {
  const image = sharp(fileURLToPath(new URL(`../golden/${file}`, import.meta.url)));
  const grey = (await image.metadata()).channels === 1;
  const { data, info } = await (grey ? image.extractChannel(0) : image).raw().toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), height: info.height, width: info.width, channels: info.channels };
}

/** [value, count, value, count, …] written out. */
export function runLengths(list: readonly number[]): number[] {
  const values: number[] = [];
  for (let i = 0; i < list.length; i += 2) values.push(...new Array<number>(list[i + 1]!).fill(list[i]!));
  return values;
}

/** A scene of smooth colours and sharp edges with some noise, the same for the same seed: [1, H, W, 3]. */
export function scene(height: number, width: number, seed = 0): Tensor {
  const data = new Uint8Array(height * width * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const edge = (x * 3 + y * 2 + seed * 7) % 61 < 30 ? 60 : -40;
      for (let c = 0; c < 3; c++, i++) {
        const noise = (Math.imul(i + seed * 977, 2654435761) >>> 24) % 9;
        data[i] = Math.max(0, Math.min(255, 120 + edge * (c - 1) + 50 * Math.sin((x + c * y) / 17 + seed) + noise));
      }
    }
  }
  return fromTypedArray(data, [1, height, width, 3]);
}

/** Blocks of labels 0…n−1: [1, U, H, W]. */
export function blocks(height: number, width: number, n: number, unaries = 1): Tensor {
  const data = new Uint8Array(unaries * height * width);
  for (let i = 0; i < data.length; i++) {
    const [x, y, u] = [i % width, Math.floor(i / width) % height, Math.floor(i / (width * height))];
    data[i] = (Math.floor(x / (9 + u)) + Math.floor(y / 7)) % n;
  }
  return fromTypedArray(data, [1, unaries, height, width]);
}
