/** Networks and photographs small enough for tests: a random MobileNetV2 with narrow heads, smooth random pictures. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { onTestFinished } from "vitest";
import type { ClassTable, Dataset, RgbImage } from "../../src/data/types.ts";
import { buildModel, type ModelInfo, saveModel } from "../../src/models/model-file.ts";
import { fillModule } from "../helpers/fill.ts";

/** Ids as in a subset of VOC: not those of the network's channels. */
export const classes: ClassTable = { ids: [0, 8, 10, 12], names: ["background", "cat", "cow", "dog"] };

export function tinyInfo(kind: ModelInfo["kind"], over: Partial<ModelInfo> = {}): ModelInfo {
  return {
    kind,
    backbone: "mobilenet_v2",
    outputStride: 16,
    padding: "symmetric",
    headChannels: 8,
    decoderStride: 8,
    classes,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
    ...over,
  };
}

/** The same numbers in every run. */
export function tinyNetwork(kind: ModelInfo["kind"], over: Partial<ModelInfo> = {}) {
  const info = tinyInfo(kind, over);
  const model = buildModel(info);
  fillModule(model);
  onTestFinished(() => model.dispose());
  return { model, info };
}

const files = new Map<string, string>();

/** model.safetensors of such a network; written once a test file, since filling the weights takes a while. */
export function tinyModelFile(kind: ModelInfo["kind"]): string {
  const known = files.get(kind);
  if (known) return known;
  const folder = mkdtempSync(join(tmpdir(), "csrm-test-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const { model, info } = tinyNetwork(kind);
  const file = join(folder, `${kind}.safetensors`);
  saveModel(file, model, info);
  files.set(kind, file);
  return file;
}

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "csrm-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Colours that change slowly, different for every seed. */
export function picture(width: number, height: number, seed = 0): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++, i++) {
        data[i] = 128 + 60 * Math.sin((x * (c + 1) + seed * 7) / 9) + 60 * Math.cos((y * (3 - c) + seed * 3) / 7);
      }
    }
  }
  return { data, width, height };
}

export async function writePicture(file: string, { data, width, height }: RgbImage): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(file);
}

/** A data set of pictures on disk: id → tags (names) or null. */
export async function pictureSet(
  root: string,
  tags: Record<string, readonly string[] | null>,
  { width = 50, height = 37 } = {},
): Promise<Dataset> {
  const samples = Object.entries(tags).map(([id, names]) => ({
    id,
    image: join(root, `${id}.png`),
    tags: names && Uint8Array.from(classes.names.slice(1), (name) => (names.includes(name) ? 1 : 0)),
  }));
  await Promise.all(samples.map(({ image }, seed) => writePicture(image, picture(width, height, seed))));
  return { name: "pictures", root, classes, samples };
}
