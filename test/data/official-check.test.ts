import { mkdirSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { tableOf } from "../../src/data/classes.ts";
import { officialSets } from "../../src/data/official.ts";
import { compareWithOfficial } from "../../src/data/official-check.ts";
import type { Dataset } from "../../src/data/types.ts";
import { Scratch } from "./fixture.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());
const vocIds = (count: number) => Array.from({ length: count }, (_, i) => `2008_${String(i).padStart(6, "0")}`);
const cocoIds = (count: number) => Array.from({ length: count }, (_, i) => String(i).padStart(12, "0"));

function dataset(folder: string, ids: readonly string[]): Dataset {
  mkdirSync(scratch.path(folder, "ImageSets", "Segmentation"), { recursive: true });
  const samples = ids.map((id) => ({ id, image: `${id}.jpg`, tags: null }));
  return { name: folder, root: scratch.path(folder), classes: tableOf(["dog"]), samples };
}

describe("compareWithOfficial", () => {
  it.each([
    ["voc12", "train", vocIds],
    ["VOC2012", "train_aug", vocIds],
    ["coco14", "val2014", cocoIds],
  ] as const)("finds a whole list in %s: %s", (folder, list, idsOf) => {
    const { images } = Object.values(officialSets).find(({ lists }) => list in lists)!.lists[list]!;
    expect(compareWithOfficial(dataset(folder, idsOf(images)), list)).toEqual({ lists: [], notes: [] });
  });

  it("says how many images a list lacks and where they come from", () => {
    const { lists, notes } = compareWithOfficial(dataset("voc12", vocIds(1464)), "train_aug");
    expect(notes).toEqual([]);
    expect(lists).toEqual([
      {
        id: "train_aug",
        file: scratch.path("voc12/ImageSets/Segmentation/train_aug.txt"),
        problem: expect.stringMatching(
          /^list train_aug has 1464 images, that of Pascal VOC 2012 10582: 9118 are missing; .*benchmark\.tgz/,
        ) as string,
      },
    ]);
    const more = compareWithOfficial(dataset("coco2014", cocoIds(40_505)), "val2014");
    expect(more.lists[0]!.problem).toContain("that of COCO 2014 40504: 1 are too many");
  });

  it("takes a folder by its stamp, whatever it is called", () => {
    scratch.write("mine/settings.json", '{"dataset": "coco14", "version": 1}');
    expect(compareWithOfficial(dataset("mine", ["x"]), "val2014").lists.length).toBe(1);
    scratch.write("voc2012/settings.json", "no JSON");
    expect(compareWithOfficial(dataset("voc2012", ["x"]), "train").lists.length).toBe(1);
  });

  it("only notes it where a part of VOC or COCO may be meant", () => {
    const part = compareWithOfficial(dataset("voc12-mini", vocIds(329)), "val");
    expect(part).toEqual({
      lists: [],
      notes: [expect.stringMatching(/^list val has 329 images, .* 1120 are missing/)],
    });
    expect(compareWithOfficial(dataset("mini", ["COCO_val2014_000000000042"]), "val2014").notes.length).toBe(1);
  });

  it("leaves lists and data sets of one's own alone", () => {
    expect(compareWithOfficial(dataset("voc12", vocIds(3)), "animals")).toEqual({ lists: [], notes: [] });
    expect(compareWithOfficial(dataset("pets", ["rex", "2008_000001"]), "train")).toEqual({ lists: [], notes: [] });
    expect(compareWithOfficial(dataset("empty", []), "train")).toEqual({ lists: [], notes: [] });
  });

  it("without a list compares all lists that are there and names those that are not", () => {
    const data = dataset("VOC12", vocIds(9));
    scratch.write("VOC12/ImageSets/Segmentation/train.txt", vocIds(1464).join("\n"));
    scratch.write("VOC12/ImageSets/Segmentation/val.txt", vocIds(2).join("\n"));
    scratch.write("VOC12/ImageSets/Segmentation/trainval.txt", "a\na\n");
    const { lists, notes } = compareWithOfficial(data, null);
    expect(lists.map(({ id }) => id)).toEqual(["val", "trainval"]);
    expect(lists[1]!.problem).toContain("a already stands in line 1");
    expect(notes.length).toBe(3);
    expect(notes[2]).toMatch(/^there is no list test; .*1456 images, from VOC2012test\.tar/);
  });
});
