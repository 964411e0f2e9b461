/** Looks a data set over before it is used: missing and damaged pictures, tags, sizes, and (only here) its masks. */

import fs from "node:fs";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { readFileBytes } from "../files.ts";
import { decodeLabelPng } from "../formats/indexed-png.ts";
import { decodeImage, imageSize } from "./image.ts";
import { compareWithOfficial } from "./official-check.ts";
import type { Dataset, Sample } from "./types.ts";

/** A file and what is wrong with it. */
export interface Finding {
  id: string;
  file: string;
  problem: string;
}

export interface MaskFindings {
  found: number;
  /** Images without a mask: normal but for lists that results are measured on. */
  absent: string[];
  unreadable: Finding[];
  /** Masks that are not as large as their image. */
  wrongSize: Finding[];
  /** Masks with ids that are neither in the class table nor 255. */
  illegalValues: Finding[];
}

export interface DatasetReport {
  name: string;
  images: number;
  missing: Finding[];
  corrupt: Finding[];
  unlabelled: number;
  /** Images whose tags say that none of the classes is present. */
  withoutClasses: number;
  /** Images a class, foreground only. */
  tagCounts: Record<string, number>;
  /** Smallest and largest sides of the readable images, in pixels; null when none is readable. */
  sizes: { width: [number, number]; height: [number, number] } | null;
  /** Lists of another size than those of the published data set that this is; empty unless `list` was given. */
  lists: Finding[];
  /** Absent when no mask folder was given. */
  masks?: MaskFindings;
  notes: string[];
  /** Everything that would make a run fail or mislead it: missing and corrupt images, faulty masks, lists that are not whole. */
  problems: number;
}

export interface CheckOptions {
  /**
   * The list that the data set was opened with, null for every image: to be compared with the published lists where the data set
   * is VOC 2012 or COCO 2014. Default: no comparison.
   */
  list?: string | null;
  /** Decodes every picture to its last pixel (default) instead of reading its header only. */
  decode?: boolean;
  /** A folder of masks `<id>.png` to check as well. */
  masks?: string;
  /** Every image must have a mask, as in lists that results are measured on (default: an image without one is no problem). */
  requireMasks?: boolean;
  /** Ids that may stand in masks beside 255; default: those of the data set's classes. */
  maskIds?: Iterable<number>;
  /** Images looked at side by side (default 4). */
  workers?: number;
  /** Called after each image, for a progress bar. */
  onProgress?: (done: number, total: number) => void;
}

type Report = DatasetReport & { masks: MaskFindings };

/** Checks every image; findings are in the data set's order. Never throws because of what it finds. */
export async function checkDataset(dataset: Dataset, options: CheckOptions = {}): Promise<DatasetReport> {
  const foreground = dataset.classes.names.slice(1);
  const report: Report = {
    name: dataset.name,
    images: dataset.samples.length,
    missing: [],
    corrupt: [],
    unlabelled: 0,
    withoutClasses: 0,
    tagCounts: Object.fromEntries(foreground.map((name) => [name, 0])),
    sizes: null,
    masks: { found: 0, absent: [], unreadable: [], wrongSize: [], illegalValues: [] },
    lists: [],
    notes: [...(dataset.notes ?? [])],
    problems: 0,
  };
  const legal = new Set([...(options.maskIds ?? dataset.classes.ids), 255]);
  const { samples } = dataset;
  const results = new Array<Seen>(samples.length);
  let next = 0;
  let done = 0;
  const work = async () => {
    for (let i = next++; i < samples.length; i = next++) {
      results[i] = await look(samples[i]!, options, legal);
      options.onProgress?.(++done, samples.length);
    }
  };
  await Promise.all(Array.from({ length: options.workers ?? 4 }, work));
  for (const [i, seen] of results.entries()) add(report, samples[i]!, { seen, foreground });
  if (options.list !== undefined) {
    const official = compareWithOfficial(dataset, options.list);
    report.lists = official.lists;
    report.notes.push(...official.notes);
  }
  const { unreadable, wrongSize, illegalValues } = report.masks;
  const findings = [report.lists, report.missing, report.corrupt, unreadable, wrongSize, illegalValues];
  report.problems = findings.reduce((sum, list) => sum + list.length, 0);
  if (options.requireMasks) report.problems += report.masks.absent.length;
  if (options.masks !== undefined) return report;
  const { masks: _, ...withoutMasks } = report;
  return withoutMasks;
}

type Size = { width: number; height: number };

/** What was seen of one image and its mask. */
interface Seen {
  size: Size | null;
  missing?: string;
  corrupt?: string;
  mask?: { file: string; kind: "absent" | "unreadable" | "wrongSize" | "illegalValues" | "good"; problem: string };
}

async function look(sample: Sample, options: CheckOptions, legal: Set<number>): Promise<Seen> {
  const seen: Seen = { size: null };
  if (!fs.existsSync(sample.image)) seen.missing = "there is no such file";
  else {
    try {
      seen.size = options.decode === false ? await imageSize(sample.image) : await decodeImage(sample.image);
    } catch (error) {
      seen.corrupt = messageOf(error);
    }
  }
  if (options.masks !== undefined)
    seen.mask = await lookAtMask(join(options.masks, `${sample.id}.png`), seen.size, legal);
  if (seen.size) seen.size = { width: seen.size.width, height: seen.size.height };
  return seen;
}

async function lookAtMask(file: string, size: Size | null, legal: Set<number>): Promise<NonNullable<Seen["mask"]>> {
  if (!fs.existsSync(file)) return { file, kind: "absent", problem: "" };
  try {
    const { data, width, height } = decodeLabelPng(await readFileBytes(file), file);
    if (size && (size.width !== width || size.height !== height)) {
      const problem = `the mask is ${width} × ${height}, its image ${size.width} × ${size.height} pixels`;
      return { file, kind: "wrongSize", problem };
    }
    const illegal = [...new Set(data)].filter((id) => !legal.has(id)).sort((a, b) => a - b);
    if (illegal.length === 0) return { file, kind: "good", problem: "" };
    const first = data.indexOf(illegal[0]!);
    const at = `x ${first % width}, y ${Math.floor(first / width)}`;
    return {
      file,
      kind: "illegalValues",
      problem: `values that name no class: ${illegal.join(", ")} (first at ${at})`,
    };
  } catch (error) {
    return { file, kind: "unreadable", problem: messageOf(error) };
  }
}

function add(report: Report, sample: Sample, { seen, foreground }: { seen: Seen; foreground: string[] }): void {
  const { id, image, tags } = sample;
  if (seen.missing) report.missing.push({ id, file: image, problem: seen.missing });
  if (seen.corrupt) report.corrupt.push({ id, file: image, problem: seen.corrupt });
  if (seen.size) {
    const { width, height } = seen.size;
    report.sizes ??= { width: [width, width], height: [height, height] };
    report.sizes.width = [Math.min(report.sizes.width[0], width), Math.max(report.sizes.width[1], width)];
    report.sizes.height = [Math.min(report.sizes.height[0], height), Math.max(report.sizes.height[1], height)];
  }
  if (tags === null) report.unlabelled++;
  else if (!tags.includes(1)) report.withoutClasses++;
  for (const [k, name] of foreground.entries()) report.tagCounts[name]! += tags?.[k] ?? 0;
  if (!seen.mask) return;
  const { file, kind, problem } = seen.mask;
  if (kind === "absent") report.masks.absent.push(id);
  else report.masks.found++;
  if (kind !== "absent" && kind !== "good") report.masks[kind].push({ id, file, problem });
}
