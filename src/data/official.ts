/** The published data sets that csrm knows by name: how many images their lists have, and which archives they come in. */

export type OfficialName = "voc12" | "coco14";

export interface OfficialList {
  images: number;
  /** What makes the list whole. */
  source: string;
}

export interface OfficialSet {
  title: string;
  lists: Readonly<Record<string, OfficialList>>;
}

const VOC = "VOCtrainval_11-May-2012.tar (host.robots.ox.ac.uk/pascal/VOC/voc2012)";
const VOC_TEST = "VOC2012test.tar (host.robots.ox.ac.uk:8080, after registration)";
const SBD = "SBD's benchmark.tgz (Semantic Boundaries Dataset, Berkeley)";
const coco = (split: string) =>
  `${split}.zip and annotations_trainval2014.zip (cocodataset.org, "2014 ${split.startsWith("train") ? "Train" : "Val"} images" and "2014 Train/Val annotations")`;

/** Archives by what they hold, for messages. */
export const archives = { voc: VOC, vocTest: VOC_TEST, sbd: SBD, coco } as const;

export const officialSets: Readonly<Record<OfficialName, OfficialSet>> = {
  voc12: {
    title: "Pascal VOC 2012",
    lists: {
      train: { images: 1464, source: VOC },
      val: { images: 1449, source: VOC },
      trainval: { images: 2913, source: VOC },
      train_aug: { images: 10_582, source: `${VOC} and ${SBD}` },
      trainval_aug: { images: 12_031, source: `${VOC} and ${SBD}` },
      test: { images: 1456, source: VOC_TEST },
    },
  },
  coco14: {
    title: "COCO 2014",
    lists: {
      train2014: { images: 82_783, source: coco("train2014") },
      val2014: { images: 40_504, source: coco("val2014") },
    },
  },
};

/**
 * How a list differs in size from the published one, and what would make it whole; null when it does not, or none of that
 * name was published.
 * @param count its images; undefined when there is no such list
 */
export function sizeDifference(dataset: OfficialName, list: string, count: number | undefined): string | null {
  const { title, lists } = officialSets[dataset];
  const official = Object.hasOwn(lists, list) ? lists[list] : undefined;
  if (official === undefined || count === official.images) return null;
  if (count === undefined) {
    return `there is no list ${list}; that of ${title} has ${official.images} images, from ${official.source}`;
  }
  const gap = Math.abs(official.images - count);
  const side = count < official.images ? `${gap} are missing` : `${gap} are too many`;
  return `list ${list} has ${count} images, that of ${title} ${official.images}: ${side}; it comes from ${official.source}`;
}
