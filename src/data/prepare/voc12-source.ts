/** The unpacked archives of Pascal VOC 2012 and of SBD: where they are, and which images they are to give. */

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CsrmError } from "../../errors.ts";
import { archives } from "../official.ts";
import { readList } from "../voc.ts";
import { findFolder, requireFolder } from "./prepared.ts";

export interface Voc12Source {
  /** The folder that holds JPEGImages. */
  voc: string;
  /** The folder that holds SBD's cls; null where there is none. */
  sbd: string | null;
}

/**
 * @param from VOC2012 itself, VOCdevkit, or the folder in which the archives were unpacked
 * @param sbd SBD's folder or one above it; absent: looked for in `from` and beside VOCdevkit
 * @throws CsrmError (code "data") naming the archive that is missing and where to unpack it; (code "file") for a folder that is absent
 */
export function findVoc12(from: string, sbd?: string): Voc12Source {
  const root = resolve(from);
  requireFolder(root, "--from");
  const voc = findFolder(
    [root, join(root, "VOC2012"), join(root, "VOCdevkit", "VOC2012")],
    (folder) => existsSync(join(folder, "JPEGImages")) && existsSync(join(folder, "ImageSets", "Segmentation")),
    `no VOC 2012 in ${root}: unpack ${archives.voc} there, so that ${join(root, "VOCdevkit", "VOC2012", "JPEGImages")} exists`,
  );
  const isSbd = (folder: string) => existsSync(join(folder, "cls"));
  const below = (folder: string) => join(folder, "benchmark_RELEASE", "dataset");
  if (sbd !== undefined) {
    const given = resolve(sbd);
    requireFolder(given, "--sbd");
    const fix = `no SBD in ${given}: unpack ${archives.sbd} there, so that ${join(below(given), "cls")} exists`;
    return { voc, sbd: findFolder([given, join(given, "dataset"), below(given)], isSbd, fix) };
  }
  const places = [root, voc, dirname(voc), dirname(dirname(voc))].map(below);
  return { voc, sbd: places.find(isSbd) ?? null };
}

/** One image and where its annotations come from. */
export interface Voc12Image {
  id: string;
  image: string;
  mask: { kind: "voc" | "sbd"; file: string } | null;
}

export interface Voc12Plan {
  lists: Map<string, string[]>;
  /** Every image of any list, sorted by id. */
  images: Voc12Image[];
}

/**
 * Reads the lists and joins them. Ids are sorted: train_aug is train and all of SBD but VOC's val, trainval_aug is train_aug and val.
 * @throws CsrmError (code "data") when a listed image or annotation is missing, before anything is written
 */
export function planVoc12({ voc, sbd }: Voc12Source): Voc12Plan {
  const official = (name: string) => join(voc, "ImageSets", "Segmentation", `${name}.txt`);
  const [train, val] = [readList(official("train")), readList(official("val"))];
  const lists = new Map([
    ["train", train],
    ["val", val],
    ["trainval", [...new Set([...train, ...val])].sort()],
  ]);
  if (sbd !== null) {
    const heldBack = new Set(val);
    const extra = ["train", "val"].flatMap((name) => readList(join(sbd, `${name}.txt`)));
    const trainAug = [...new Set([...train, ...extra])].filter((id) => !heldBack.has(id)).sort();
    lists.set("train_aug", trainAug);
    lists.set("trainval_aug", [...trainAug, ...val].sort());
  }
  if (existsSync(official("test"))) lists.set("test", readList(official("test")));
  const annotated = new Set(lists.get("trainval"));
  const tested = new Set(lists.get("test"));
  const ids = [...new Set([...lists.values()].flat())].sort();
  const images = ids.map((id): Voc12Image => {
    const own = join(voc, "JPEGImages", `${id}.jpg`);
    // SBD brings its images along; they are VOC's.
    const image = sbd === null || annotated.has(id) || existsSync(own) ? own : join(sbd, "img", `${id}.jpg`);
    if (annotated.has(id)) {
      return { id, image, mask: { kind: "voc", file: join(voc, "SegmentationClass", `${id}.png`) } };
    }
    if (sbd === null || tested.has(id)) return { id, image, mask: null };
    return { id, image, mask: { kind: "sbd", file: join(sbd, "cls", `${id}.mat`) } };
  });
  requireFiles(images);
  return { lists, images };
}

function requireFiles(images: readonly Voc12Image[]): void {
  const needed = images.flatMap(({ image, mask }) => {
    const archive = mask === null ? archives.vocTest : mask.kind === "voc" ? archives.voc : archives.sbd;
    return [image, ...(mask ? [mask.file] : [])].map((file) => ({ file, archive }));
  });
  const missing = needed.filter(({ file }) => !existsSync(file));
  if (missing.length === 0) return;
  const { file, archive } = missing[0]!;
  throw new CsrmError(
    `${missing.length} files of the lists are missing, the first: ${file}; unpack all of ${archive} again`,
    { code: "data" },
  );
}
