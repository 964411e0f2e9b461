/** Writes the toy set to disk in VOC layout, whole or not at all. */
import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { CsrmError, expected, messageOf } from "../../errors.ts";
import { makeFolders } from "../../files.ts";
import { encodeIndexedPng } from "../../formats/indexed-png.ts";
import { CREATURES } from "./creatures.ts";
import { renderScene, type Scene } from "./scene.ts";

export interface ToyOptions {
  /** Folder to be made; may exist when it is empty or holds this very set. */
  out: string;
  /** Another seed gives other pictures (default 0). */
  seed?: number;
  /** Pictures in the lists `train` and `val`; the first n pictures of a longer list are the same. */
  images: { train: number; val: number };
  /** Side of the square pictures in pixels, 32–1024 (default 128). */
  size?: number;
  /** Called after each picture with the number done and the number wanted. */
  onProgress?: (done: number, total: number) => void;
}

/** Part of the stamp: to be raised with every change that alters a pixel, so that an old set is not taken for a new one. */
const VERSION = 3;
const STAMP = "toy.json";
const JPEG_QUALITY = 92;
/** Encodings under way while the next scene is drawn: enough to keep libuv's threads busy, few enough to bound memory. */
const PENDING = 4;
const DEFAULTS = { seed: 0, size: 128 } satisfies Partial<ToyOptions>;

/**
 * Makes the toy set: JPEGImages/<id>.jpg, SegmentationClass/<id>.png (palette PNG, exact, for evaluation only),
 * ImageSets/Segmentation/{train,val}.txt, tags.csv, classes.txt and the stamp toy.json. Returns at once when the folder already
 * holds the set of these options.
 * @throws CsrmError when the folder holds something else, an option is out of range, or a file cannot be written
 */
export async function generateToy(options: ToyOptions): Promise<{ made: boolean }> {
  const { seed, size } = { ...DEFAULTS, ...options };
  const { train, val } = options.images;
  requireInteger("seed", seed, [0, 2 ** 32 - 1]);
  requireInteger("size", size, [32, 1024]);
  requireInteger("images.train", train, [1, 99_999]);
  requireInteger("images.val", val, [0, 99_999]);
  const out = path.resolve(options.out);
  const stamp = `${JSON.stringify({ kind: "csrm toy set", version: VERSION, seed, size, images: { train, val } }, null, 2)}\n`;
  if (await alreadyThere(out, stamp)) return { made: false };
  const temporary = `${out}.partial-${randomBytes(4).toString("hex")}`;
  try {
    await writeSet(temporary, { seed, size, splits: { train, val }, onProgress: options.onProgress });
    await fs.writeFile(path.join(temporary, STAMP), stamp);
    await fs.rename(temporary, out);
  } catch (error) {
    await fs.rm(temporary, { recursive: true, force: true });
    if (error instanceof CsrmError) throw error;
    throw new CsrmError(`cannot write the toy set to ${out}: ${messageOf(error)}`, { code: "file", cause: error });
  }
  return { made: true };
}

interface SetPlan {
  seed: number;
  size: number;
  splits: Record<"train" | "val", number>;
  onProgress: ToyOptions["onProgress"];
}

async function writeSet(folder: string, plan: SetPlan): Promise<void> {
  const { seed, size, splits, onProgress } = plan;
  const lists = path.join(folder, "ImageSets", "Segmentation");
  for (const name of [lists, ...["JPEGImages", "SegmentationClass"].map((part) => path.join(folder, part))]) {
    makeFolders(name);
  }
  const total = splits.train + splits.val;
  const rows = ["image,tags"];
  const pending: Promise<void>[] = [];
  let done = 0;
  try {
    for (const [split, count] of Object.entries(splits)) {
      const ids: string[] = [];
      for (let index = 0; index < count; index++) {
        const id = `${split}_${String(index).padStart(5, "0")}`;
        const scene = renderScene({ seed, split, index, size });
        ids.push(id);
        rows.push(`${id}.jpg,${scene.tags.map((tag) => CREATURES[tag - 1]!.name).join(" ")}`);
        const written = writeScene(folder, id, scene);
        written.catch(() => {}); // it is awaited below, but perhaps not before another one has failed
        pending.push(written);
        if (pending.length > PENDING) await pending.shift();
        onProgress?.(++done, total);
      }
      await fs.writeFile(path.join(lists, `${split}.txt`), ids.map((id) => `${id}\n`).join(""));
    }
  } finally {
    // Also after a failure: nothing may still be writing when the folder is removed.
    await Promise.allSettled(pending);
  }
  await Promise.all(pending);
  await fs.writeFile(path.join(folder, "tags.csv"), `${rows.join("\n")}\n`);
  const names = ["background", ...CREATURES.map((creature) => creature.name)];
  await fs.writeFile(path.join(folder, "classes.txt"), names.map((name, id) => `${id} ${name}\n`).join(""));
}

async function writeScene(folder: string, id: string, scene: Scene): Promise<void> {
  const { size, rgb, labels } = scene;
  const jpeg = await sharp(rgb, { raw: { width: size, height: size, channels: 3 } })
    .jpeg({ quality: JPEG_QUALITY, chromaSubsampling: "4:4:4" })
    .toBuffer();
  await fs.writeFile(path.join(folder, "JPEGImages", `${id}.jpg`), jpeg);
  const png = encodeIndexedPng({ data: labels, width: size, height: size });
  await fs.writeFile(path.join(folder, "SegmentationClass", `${id}.png`), png);
}

async function alreadyThere(out: string, stamp: string): Promise<boolean> {
  let entries: string[];
  try {
    entries = await fs.readdir(out);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return false;
    }
    throw new CsrmError(`cannot make the toy set in ${out}: ${messageOf(error)}`, { code: "file", cause: error });
  }
  if (entries.length === 0) return false;
  if (!entries.includes(STAMP)) {
    const found = entries.slice(0, 5).join(", ");
    throw expected("an empty or absent folder", `the toy set's folder ${out}`, found, "choose another folder");
  }
  const there = await fs.readFile(path.join(out, STAMP), "utf8");
  if (there === stamp) return true;
  throw new CsrmError(
    `${out} holds a toy set of other options or another version: ${oneLine(there)} instead of ${oneLine(stamp)}; ` +
      "choose another folder or remove this one",
    { code: "data" },
  );
}

function oneLine(json: string): string {
  return json.replace(/\s+/g, " ").trim().slice(0, 200);
}

function requireInteger(name: string, value: number, range: readonly [number, number]): void {
  const [low, high] = range;
  if (!Number.isInteger(value) || value < low || value > high) {
    throw expected(`an integer in ${low}..${high}`, `the toy set's ${name}`, value);
  }
}
