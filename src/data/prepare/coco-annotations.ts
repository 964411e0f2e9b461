/**
 * COCO's instances_*.json without holding it: one pass notes where each image's annotations lie, later ones are read from there.
 * Reads pixel annotations, for `csrm data prepare` only: nothing that trains may import this file.
 */

import { createReadStream, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { CsrmError, expected, messageOf } from "../../errors.ts";
import { readError } from "../../files.ts";
import { JsonArrays } from "../../formats/json-arrays.ts";
import { safePoint } from "../../interrupt.ts";
import type { ClassTable } from "../types.ts";

const CHUNK = 2 ** 20;
const MAX_SIDE = 2 ** 13;

export interface CocoImage {
  id: number;
  /** The file in the folder of its split; a name without folders. */
  file: string;
  width: number;
  height: number;
}

/** One annotated object or crowd; its outline is checked when it is drawn. */
export interface CocoAnnotation {
  id: number;
  /** 1..80, the contiguous class id. */
  label: number;
  crowd: boolean;
  segmentation: unknown;
}

/** Images, and where each one's annotations lie in the file. */
export class CocoIndex {
  readonly images: readonly CocoImage[];
  readonly annotations: number;
  readonly #file: string;
  readonly #labels: ReadonlyMap<number, number>;
  /** By image id: offset, length and label of each annotation in turn. */
  readonly #places: ReadonlyMap<number, readonly number[]>;
  /** Opened by the first of several reads that are begun side by side. */
  #opened: Promise<FileHandle> | null = null;

  private constructor(file: string, gathered: Gathered) {
    this.#file = file;
    this.images = gathered.images;
    this.annotations = gathered.annotations;
    this.#labels = gathered.labels;
    this.#places = gathered.places;
  }

  /**
   * Reads the file once.
   * @param classes the table whose names the file's categories must have
   * @param onProgress told how many bytes are read
   * @throws CsrmError naming the file and the image, category or annotation that is wrong; InterruptedError
   */
  static async read(file: string, classes: ClassTable, onProgress?: (bytes: number) => void): Promise<CocoIndex> {
    return new CocoIndex(file, await gather(file, classes, onProgress));
  }

  /** Bytes of the file. */
  static size(file: string): number {
    return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** The classes that an image shows, crowds included, ascending. */
  labelsOf(image: CocoImage): number[] {
    const places = this.#places.get(image.id) ?? [];
    return [...new Set(places.filter((_, i) => i % 3 === 2))].sort((a, b) => a - b);
  }

  /** Reads an image's annotations, in the order of the file. */
  async annotationsOf(image: CocoImage): Promise<CocoAnnotation[]> {
    this.#opened ??= open(this.#file).catch((error: unknown) => {
      throw readError(this.#file, error);
    });
    const handle = await this.#opened;
    const places = this.#places.get(image.id) ?? [];
    const annotations: CocoAnnotation[] = [];
    for (let i = 0; i < places.length; i += 3) {
      const bytes = new Uint8Array(places[i + 1]!);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, places[i]!);
      annotations.push(parseAnnotation(bytes.subarray(0, bytesRead), { file: this.#file, labels: this.#labels }));
    }
    return annotations;
  }

  async close(): Promise<void> {
    await (await this.#opened)?.close();
    this.#opened = null;
  }
}

interface Gathered {
  images: CocoImage[];
  labels: Map<number, number>;
  places: Map<number, number[]>;
  annotations: number;
}

async function gather(file: string, classes: ClassTable, onProgress?: (bytes: number) => void): Promise<Gathered> {
  const reader = new JsonArrays({ name: file, keys: ["images", "annotations", "categories"] });
  const images = new Map<number, CocoImage>();
  const labels = new Map<number, number>();
  const places = new Map<number, number[]>();
  let read = 0;
  let annotations = 0;
  for await (const chunk of chunksOf(file)) {
    await safePoint();
    for (const { key, offset, bytes } of reader.push(chunk)) {
      if (key === "images") addImage(images, parse(bytes, file), file);
      else if (key === "categories") addCategory(labels, parse(bytes, file), { classes, file });
      else {
        const { id, image_id: image, category_id: category } = parse(bytes, file);
        const where = `an annotation (id ${String(id)}) in ${file}`;
        const key = integer(image, "image_id", where);
        const list = places.get(key) ?? [];
        if (list.length === 0) places.set(key, list);
        list.push(offset, bytes.length, integer(category, "category_id", where));
        annotations++;
      }
    }
    read += chunk.length;
    onProgress?.(read);
  }
  reader.end();
  // Only now, since the categories of the published files come last.
  for (const [image, list] of places) {
    if (!images.has(image)) throw expected("annotations of its own images", file, `one of image ${image}`);
    for (let i = 2; i < list.length; i += 3) list[i] = labelOf(labels, list[i]!, file);
  }
  return { images: [...images.values()].sort((a, b) => a.id - b.id), labels, places, annotations };
}

async function* chunksOf(file: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(file, { highWaterMark: CHUNK });
  } catch (error) {
    throw readError(file, error);
  }
}

function addImage(images: Map<number, CocoImage>, value: Record<string, unknown>, file: string): void {
  const where = `an image in ${file}`;
  const id = integer(value.id, "id", where);
  const { file_name: name } = value;
  // The name becomes a path: it must not lead out of the folder.
  if (typeof name !== "string" || basename(name) !== name || !/^[\w.-]+\.jpg$/.test(name)) {
    throw expected("a file_name without folders that ends in .jpg", `image ${id} in ${file}`, name);
  }
  const [width, height] = [integer(value.width, "width", where), integer(value.height, "height", where)];
  if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE) {
    throw expected(`sides of 1 to ${MAX_SIDE} pixels`, `image ${id} in ${file}`, `${width} × ${height}`);
  }
  if (images.has(id)) throw expected("ids that occur once", `the images of ${file}`, id);
  images.set(id, { id, file: name, width, height });
}

function addCategory(
  labels: Map<number, number>,
  { id, name }: Record<string, unknown>,
  { classes, file }: { classes: ClassTable; file: string },
): void {
  const category = integer(id, "id", `a category in ${file}`);
  const k = classes.names.indexOf(String(name));
  if (k < 1) throw expected("one of COCO's 80 class names", `category ${category} in ${file}`, name);
  labels.set(category, classes.ids[k]!);
}

function labelOf(labels: ReadonlyMap<number, number>, category: number, file: string): number {
  const label = labels.get(category);
  if (label === undefined) throw expected("annotations of its own categories", file, `one of category ${category}`);
  return label;
}

function parseAnnotation(
  bytes: Uint8Array,
  { file, labels }: { file: string; labels: ReadonlyMap<number, number> },
): CocoAnnotation {
  const { id, category_id: category, iscrowd, segmentation } = parse(bytes, file);
  const where = `an annotation in ${file}`;
  const label = labelOf(labels, integer(category, "category_id", where), file);
  return { id: integer(id, "id", where), label, crowd: iscrowd === 1, segmentation };
}

function parse(bytes: Uint8Array, file: string): Record<string, unknown> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new CsrmError(`cannot read ${file} as JSON: ${messageOf(error)} in ${text.slice(0, 80)}`, { code: "data" });
  }
}

function integer(value: unknown, key: string, where: string): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw expected(`a whole number as ${key}`, where, value);
}
