/**
 * `csrm data prepare coco14`: from the official archives of COCO 2014 to one folder in VOC layout, with masks of classes made of the
 * annotated objects. Reads and writes pixel annotations: nothing that trains may import this file.
 */

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { CsrmError } from "../../errors.ts";
import { writeFileAtomic } from "../../files.ts";
import { encodeIndexedPng } from "../../formats/indexed-png.ts";
import type { Progress } from "../../progress.ts";
import { isNewer, workThrough } from "../../resumable.ts";
import { makeFolder } from "../../run-stage.ts";
import { openStamped } from "../../stamped-folder.ts";
import { loadClasses } from "../classes.ts";
import { archives } from "../official.ts";
import { type CocoImage, CocoIndex } from "./coco-annotations.ts";
import { drawCocoMask } from "./coco-mask.ts";
import {
  compareLists,
  Placer,
  PREPARATION,
  type Prepared,
  type PrepareOptions,
  requireFolder,
  writeList,
  writeTags,
} from "./prepared.ts";

const SPLITS = ["train2014", "val2014"] as const;
const MIB = 2 ** 20;

/**
 * Makes JPEGImages/<id>.jpg, SegmentationClass/<id>.png (0..80, 255 = crowd), ImageSets/Segmentation/{train2014,val2014}.txt and
 * tags.csv; ids are COCO's, as 12 digits. A split whose photographs or annotations are missing is left out and told of.
 * @throws CsrmError naming the archive, file or annotation that is missing or damaged; InterruptedError between images
 */
export async function prepareCoco14(options: PrepareOptions): Promise<Prepared> {
  const { copy, fresh, progress } = options;
  const from = resolve(options.from);
  const out = resolve(options.out);
  requireFolder(from, "--from");
  const splits = findSplits(from);
  openStamped(out, { dataset: "coco14", version: PREPARATION, from }, { fresh, note: progress.note });
  for (const folder of ["JPEGImages", "SegmentationClass"]) makeFolder(join(out, folder));
  const placer = new Placer(copy);
  const lists = new Map<string, string[]>();
  const tags = new Map<string, string[]>();
  let resumed = 0;
  for (const split of splits) {
    const done = await prepareSplit(split, { out, placer, tags, progress });
    lists.set(split.name, done.ids);
    resumed += done.resumed;
  }
  await writeTags(out, tags);
  for (const [name, ids] of lists) await writeList(out, name, ids);
  const images = tags.size;
  const compared = compareLists("coco14", lists);
  return { dataset: "coco14", out, images, resumed, files: placer.counts, tags: { annotations: images }, ...compared };
}

interface Split {
  name: string;
  photographs: string;
  annotations: string;
}

function findSplits(from: string): Split[] {
  const splits = SPLITS.map((name) => ({
    name,
    photographs: join(from, name),
    annotations: join(from, "annotations", `instances_${name}.json`),
  }));
  const there = splits.filter((split) => existsSync(split.photographs) && existsSync(split.annotations));
  if (there.length > 0) return there;
  const { photographs, annotations } = splits[0]!;
  throw new CsrmError(
    `no COCO 2014 in ${from}: unpack ${archives.coco(SPLITS[0])} there, so that ${photographs} and ${annotations} exist; ` +
      `the same for ${SPLITS[1]}`,
    { code: "data" },
  );
}

interface SplitWork {
  out: string;
  placer: Placer;
  /** Gets the tags of this split's images. */
  tags: Map<string, string[]>;
  progress: Progress;
}

async function prepareSplit(split: Split, { out, placer, tags, progress }: SplitWork) {
  const classes = loadClasses("coco");
  const index = await readIndex(split, progress);
  requirePhotographs(split, index.images);
  for (const image of index.images) {
    if (tags.has(idOf(image))) {
      throw new CsrmError(`${split.annotations}: image ${image.id} is in both splits`, { code: "data" });
    }
    tags.set(
      idOf(image),
      index.labelsOf(image).map((label) => classes.names[label]!),
    );
  }
  const places = (image: CocoImage) => ({
    photograph: join(split.photographs, image.file),
    linked: join(out, "JPEGImages", `${idOf(image)}.jpg`),
    mask: join(out, "SegmentationClass", `${idOf(image)}.png`),
  });
  try {
    const resumed = await workThrough({
      items: index.images,
      isDone: async (image) => {
        const { photograph, linked, mask } = places(image);
        return (await isNewer(linked, photograph)) && (await isNewer(mask, split.annotations));
      },
      read: (image) => index.annotationsOf(image),
      work: (image, annotations) => {
        const { photograph, linked, mask } = places(image);
        const png = encodeIndexedPng(drawCocoMask(annotations, image, split.annotations));
        return async () => {
          await placer.place(photograph, linked);
          await writeFileAtomic(mask, png);
        };
      },
      progress,
      label: split.name,
    });
    return { ids: index.images.map(idOf), resumed };
  } finally {
    await index.close();
  }
}

async function readIndex({ name, annotations }: Split, progress: Progress): Promise<CocoIndex> {
  const total = Math.ceil(CocoIndex.size(annotations) / MIB);
  using task = progress.task({ label: `${name}: annotations`, total, unit: "MiB" });
  return await CocoIndex.read(annotations, loadClasses("coco"), (bytes) => task.update(Math.ceil(bytes / MIB)));
}

function requirePhotographs({ name, photographs }: Split, images: readonly CocoImage[]): void {
  const missing = images.filter((image) => !existsSync(join(photographs, image.file)));
  if (missing.length === 0) return;
  throw new CsrmError(
    `${missing.length} of the ${images.length} photographs of ${name} are missing, the first: ` +
      `${join(photographs, missing[0]!.file)}; unpack ${archives.coco(name)} again`,
    { code: "data" },
  );
}

function idOf({ id }: CocoImage): string {
  return String(id).padStart(12, "0");
}
