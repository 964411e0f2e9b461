/**
 * `csrm data prepare voc12`: from the official archives of Pascal VOC 2012 and SBD to one folder in VOC layout, with SBD's masks
 * as indexed PNGs. Reads and writes pixel annotations: nothing that trains may import this file.
 */

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { readFileBytes, readTextSync, writeFileAtomic } from "../../files.ts";
import { decodeLabelPng, encodeIndexedPng } from "../../formats/indexed-png.ts";
import { safePoint } from "../../interrupt.ts";
import { isNewer, workThrough } from "../../resumable.ts";
import { makeFolder } from "../../run-stage.ts";
import { openStamped } from "../../stamped-folder.ts";
import { loadClasses, tagIndex } from "../classes.ts";
import { objectNames } from "../voc-annotation.ts";
import {
  compareLists,
  Placer,
  PREPARATION,
  type Prepared,
  type PrepareOptions,
  writeList,
  writeTags,
} from "./prepared.ts";
import { decodeSbdMask } from "./sbd.ts";
import { findVoc12, planVoc12, type Voc12Image, type Voc12Source } from "./voc12-source.ts";

export interface PrepareVoc12Options extends PrepareOptions {
  /** SBD's folder, where it is not found by itself. */
  sbd?: string;
}

const FOLDERS = { image: "JPEGImages", voc: "SegmentationClass", all: "SegmentationClassAug" } as const;

/**
 * Makes JPEGImages, SegmentationClass (VOC's masks), SegmentationClassAug (VOC's, and SBD's where VOC has none),
 * ImageSets/Segmentation/{train,val,trainval,train_aug,trainval_aug,test}.txt as far as the archives reach, and tags.csv.
 * @throws CsrmError naming the archive or file that is missing or damaged; InterruptedError between two images
 */
export async function prepareVoc12(options: PrepareVoc12Options): Promise<Prepared> {
  const { from, copy, fresh, progress } = options;
  const out = resolve(options.out);
  const source = findVoc12(from, options.sbd);
  const plan = planVoc12(source);
  openStamped(out, { dataset: "voc12", version: PREPARATION, from: source.voc }, { fresh, note: progress.note });
  for (const folder of Object.values(FOLDERS)) makeFolder(join(out, folder));
  const placer = new Placer(copy);
  const resumed = await workThrough({
    items: plan.images,
    isDone: async (image) =>
      (await Promise.all(steps(image, out).map(({ from, to }) => isNewer(to, from)))).every(Boolean),
    read: async ({ mask }) => (mask?.kind === "sbd" ? await readFileBytes(mask.file) : null),
    work: (image, sbd) => {
      const mask = sbd && encodeIndexedPng(decodeSbdMask(sbd, image.mask!.file));
      return async () => {
        for (const { from, to, convert } of steps(image, out)) {
          if (convert) await writeFileAtomic(to, mask!);
          else await placer.place(from, to);
        }
      };
    },
    progress,
    label: "voc12",
  });
  const tags = await gatherTags(plan.lists.get("trainval_aug") ?? plan.lists.get("trainval")!, source, out);
  await writeTags(out, tags.names);
  for (const [name, ids] of plan.lists) await writeList(out, name, ids);
  const { lists, notes } = compareLists("voc12", plan.lists);
  if (source.sbd === null)
    notes.push(`no SBD was found; unpack it beside VOCdevkit, or say --sbd DIR, and run this again`);
  const { length: images } = plan.images;
  return { dataset: "voc12", out, images, resumed, files: placer.counts, lists, tags: tags.counts, notes };
}

interface Step {
  from: string;
  to: string;
  /** The file is decoded and written as PNG instead of placed as it is. */
  convert?: boolean;
}

function steps({ id, image, mask }: Voc12Image, out: string): Step[] {
  const to = (folder: string, ending: string) => join(out, folder, id + ending);
  const list: Step[] = [{ from: image, to: to(FOLDERS.image, ".jpg") }];
  if (mask?.kind === "voc") list.push({ from: mask.file, to: to(FOLDERS.voc, ".png") });
  if (mask) list.push({ from: mask.file, to: to(FOLDERS.all, ".png"), convert: mask.kind === "sbd" });
  return list;
}

/**
 * Image-level labels as the public ones were derived: from the objects of an image's XML, or, where there is none, from
 * the classes in its mask. Images of the test list get none, even where an XML names some of their objects.
 */
async function gatherTags(ids: readonly string[], { voc }: Voc12Source, out: string) {
  const classes = loadClasses("voc");
  const names = new Map<string, string[]>();
  const counts = { annotations: 0, masks: 0 };
  for (const [i, id] of ids.entries()) {
    if (i % 64 === 0) await safePoint();
    const xml = join(voc, "Annotations", `${id}.xml`);
    const present = new Set<number>();
    if (existsSync(xml)) {
      for (const name of objectNames(readTextSync(xml), xml)) present.add(tagIndex(classes, name, xml) + 1);
      counts.annotations++;
    } else {
      const mask = join(out, FOLDERS.all, `${id}.png`);
      for (const label of decodeLabelPng(await readFileBytes(mask), mask).data) present.add(label);
      counts.masks++;
    }
    const known = classes.ids.slice(1).filter((label) => present.has(label));
    names.set(
      id,
      known.map((label) => classes.names[label]!),
    );
  }
  return { names, counts };
}
