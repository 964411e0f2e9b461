/** Opens a data set: pictures by layout and list, classes or a subset of them, tags from wherever they are. */

import fs from "node:fs";
import { basename, join, resolve } from "node:path";
import { CsrmError, expected } from "../errors.ts";
import { loadClasses, subsetClasses, tableOf } from "./classes.ts";
import { openFolder } from "./folder.ts";
import { openTags, type TagSource } from "./tag-source.ts";
import type { ClassTable, Dataset, Sample } from "./types.ts";
import { type ImageList, openVoc } from "./voc.ts";

export interface DatasetOptions {
  /**
   * "voc", "coco" and "toy": ImageSets/Segmentation, JPEGImages, Annotations below root, with the classes of that name; "folder":
   * root holds the pictures.
   */
  layout: "voc" | "coco" | "folder" | "toy";
  root: string;
  /** A list's name in ImageSets/Segmentation (voc, coco, toy) or a .txt file; null: every picture (default). */
  list?: string | null;
  /**
   * Where tags are: "annotations" (VOC's XML), "folders" (the first folder of a picture's path is its class), "none" (every
   * picture is unlabelled), a file or folder as `openTags` reads them, or "auto" (default): tags.csv, else Annotations, else
   * cls_labels.npy below root, else none.
   */
  tags?: string;
  /** "voc", "coco", "toy" or a file of lines `id name`; null: all tags that occur. Default: by layout. */
  classes?: string | null;
  /** Names of the classes to keep, the background aside; null: all (default). */
  subset?: readonly string[] | null;
  /** "error" (default) or "keep" pictures that a list names and that do not exist. */
  missing?: "error" | "keep";
}

/**
 * Opens a data set without decoding pictures or opening masks. With a subset, tags outside it are ignored and counted in
 * `notes`; the list alone decides which pictures belong to the data set.
 * @throws CsrmError (code "data" or "file") on absent folders and lists, missing pictures and tags that do not fit
 */
export async function openDataset(options: DatasetOptions): Promise<Dataset> {
  const { layout, list = null } = options;
  const root = resolve(options.root);
  const images = layout === "folder" ? openFolder(root, list) : openVoc(root, list);
  if (images.missing.length > 0 && options.missing !== "keep") throw missingError(images, list);
  const place = findTags(root, options.tags ?? "auto");
  const source = place === null ? null : openTags(place, images);
  const all = chooseClasses(options, source);
  const classes = options.subset ? subsetClasses(all, options.subset) : all;
  const notes: string[] = [];
  const twins = alike(all.names);
  if (twins) notes.push(`${twins.join(" and ")} are taken for different classes; if they are one, write it one way`);
  const { tags, notes: found } = source ? await source.read(all) : { tags: new Map<string, Uint8Array>(), notes: [] };
  notes.push(...found);
  const samples = images.ids.map((id): Sample => ({ id, image: images.files.get(id)!, tags: tags.get(id) ?? null }));
  if (options.subset) narrow(samples, { all, classes, notes });
  const unlabelled = samples.filter((sample) => sample.tags === null).length;
  if (unlabelled > 0 && source !== null) {
    notes.push(`${unlabelled} of ${samples.length} images are unlabelled: ${source.unlabelled}`);
  }
  const name = basename(root) + (list === null ? "" : `/${basename(list, ".txt")}`);
  return { name, root, classes, samples, notes };
}

/** The same data set without its unlabelled images. @throws CsrmError when none is labelled */
export function labelledOnly(dataset: Dataset): Dataset {
  const samples = dataset.samples.filter((sample) => sample.tags !== null);
  if (samples.length === 0) throw expected("at least one image with tags", `the data set ${dataset.name}`, "none");
  return { ...dataset, samples };
}

/** Two names that differ in case or in the encoding of their letters only; null when there are none. */
function alike(names: readonly string[]): [string, string] | null {
  const seen = new Map<string, string>();
  for (const name of names) {
    const plain = name.normalize("NFC").toLowerCase();
    const before = seen.get(plain);
    if (before !== undefined) return [before, name];
    seen.set(plain, name);
  }
  return null;
}

export function missingError({ ids, files, missing }: ImageList, list: string | null): CsrmError {
  const first = files.get(missing[0]!);
  const message = `${missing.length} of the ${ids.length} images of list ${list} are missing, the first: ${first}`;
  return new CsrmError(message, { code: "data" });
}

/** What the tags are read from; null when there is nothing and nothing was asked for. */
function findTags(root: string, tags: string): string | null {
  const places = ["tags.csv", "Annotations", "cls_labels.npy"].map((name) => join(root, name));
  if (tags === "none") return null;
  if (tags === "auto") return places.find((place) => fs.existsSync(place)) ?? null;
  return tags === "annotations" ? places[1]! : tags;
}

function chooseClasses({ layout, classes }: DatasetOptions, tags: TagSource | null): ClassTable {
  const byLayout = { voc: "voc", coco: "coco", toy: "toy", folder: null } as const;
  const source = classes === undefined ? byLayout[layout] : classes;
  if (source !== null) return loadClasses(source);
  const names = tags?.names() ?? null;
  if (names !== null) return tableOf(names);
  throw expected(
    "a class table",
    "a data set without named tags",
    "none",
    "give its tags (--tags, in a recipe data.tags) or its classes by a file of lines `id name` (--classes, data.classes)",
  );
}

/** Reduces vectors over all classes to the chosen ones. */
function narrow(samples: Sample[], options: { all: ClassTable; classes: ClassTable; notes: string[] }): void {
  const { all, classes, notes } = options;
  const kept = classes.ids.slice(1).map((id) => all.ids.indexOf(id) - 1);
  let ignored = 0;
  let touched = 0;
  for (const sample of samples) {
    if (!sample.tags) continue;
    const before = sample.tags.reduce((sum, tag) => sum + tag, 0);
    sample.tags = Uint8Array.from(kept, (k) => sample.tags![k]!);
    const lost = before - sample.tags.reduce((sum, tag) => sum + tag, 0);
    ignored += lost;
    if (lost > 0) touched++;
  }
  if (ignored > 0) {
    notes.push(`${ignored} tags of classes outside the subset are ignored, in ${touched} of ${samples.length} images`);
  }
}
