/** Compares the lists of what is, or looks like, a published data set with the published ones. */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { messageOf } from "../errors.ts";
import { stampOf } from "../stamped-folder.ts";
import type { Finding } from "./check.ts";
import { type OfficialName, officialSets, sizeDifference } from "./official.ts";
import type { Dataset } from "./types.ts";
import { readList } from "./voc.ts";

export interface OfficialFindings {
  /** Lists of another size than the published ones, in a data set that claims to be one. */
  lists: Finding[];
  /** The same of data sets that only look like one, perhaps because they are a part of it; and lists that are absent. */
  notes: string[];
}

/** A folder that is called so holds the whole data set, or is to. */
const FOLDERS: Readonly<Record<OfficialName, RegExp>> = {
  voc12: /^voc[-_]?(20)?12$/i,
  coco14: /^coco[-_]?(20)?14$/i,
};
const IDS: Readonly<Record<OfficialName, RegExp>> = {
  voc12: /^20(0[7-9]|1[0-2])_\d{6}$/,
  coco14: /^(COCO_(train|val)2014_)?\d{12}$/,
};

/**
 * Compares one list, or all of ImageSets/Segmentation, with the published ones of the same name.
 * @param list the list that the data set was opened with; null: every image
 */
export function compareWithOfficial(dataset: Dataset, list: string | null): OfficialFindings {
  const found: OfficialFindings = { lists: [], notes: [] };
  const lists = join(dataset.root, "ImageSets", "Segmentation");
  const set = recognise(dataset);
  if (set === null || !existsSync(lists)) return found;
  const names = list === null ? Object.keys(officialSets[set.name].lists) : [basename(list, ".txt")];
  for (const name of names) {
    const file = join(lists, `${name}.txt`);
    try {
      const count = list === null ? countOf(file) : dataset.samples.length;
      const difference = sizeDifference(set.name, name, count);
      if (difference === null) continue;
      if (set.sure && count !== undefined) found.lists.push({ id: name, file, problem: difference });
      // A part of a data set may well lack lists; the whole one should not, but need not have been wanted.
      else if (set.sure || count !== undefined) found.notes.push(difference);
    } catch (error) {
      found.lists.push({ id: name, file, problem: messageOf(error) });
    }
  }
  return found;
}

/** Which published data set it is: surely when prepared by csrm or called so, else by the form of all ids. */
function recognise({ root, samples }: Dataset): { name: OfficialName; sure: boolean } | null {
  const names = Object.keys(officialSets) as OfficialName[];
  const stamp = stampedAs(root);
  const sure = names.find((name) => stamp === name || (stamp === undefined && FOLDERS[name].test(basename(root))));
  if (sure) return { name: sure, sure: true };
  const alike = names.find((name) => samples.length > 0 && samples.every(({ id }) => IDS[name].test(id)));
  return alike ? { name: alike, sure: false } : null;
}

function stampedAs(root: string): unknown {
  try {
    return stampOf(root)?.dataset;
  } catch {
    // Somebody else's settings.json says nothing about the data set.
    return undefined;
  }
}

function countOf(list: string): number | undefined {
  return existsSync(list) ? readList(list).length : undefined;
}
