import { describe, expect, test } from "vitest";
import { runsOfCounts } from "../../../src/formats/coco-runs.ts";
import { encodeRle } from "../../../src/formats/rle.ts";
import { mergeMasks } from "../../../src/refine/masks/merge.ts";
import { runLengths } from "../../helpers/crf.ts";
import { readGolden } from "../../helpers/golden.ts";

interface Case {
  name: string;
  size_hw: [number, number];
  n_classes: number;
  pseudo_label: number[];
  /** Bytes of the masks' PNG files; 255 is inside. */
  masks: number[][];
  expected: Record<"max_iou" | "max_iou_imp" | "max_iou_imp2", number[]>;
}

const { cases } = readGolden<{ cases: Case[] }>("09-sepl-merge");

/** A map of one character a pixel: "." background, digits their class, "?" unknown. */
function map(rows: string[]) {
  const ids = { ".": 0, "?": 255 } as Record<string, number>;
  const data = Uint8Array.from(rows.join(""), (letter) => ids[letter] ?? Number(letter));
  return { data, width: rows[0]!.length, height: rows.length };
}

/** Masks drawn with "#". */
function mask(rows: string[]) {
  const drawn = { ...map(rows.map((row) => row.replaceAll("#", "1"))) };
  return runsOfCounts(encodeRle(drawn), drawn, "a drawn mask");
}

const rows = ({ data, width }: { data: Uint8Array; width: number }) =>
  Array.from({ length: data.length / width }, (_, y) =>
    Array.from(data.subarray(y * width, (y + 1) * width), (id) => (id === 0 ? "." : id === 255 ? "?" : id)).join(""),
  );

describe.each(cases)(
  "the public rules: $name",
  ({ size_hw: [height, width], n_classes, pseudo_label, masks, expected }) => {
    const labels = { data: Uint8Array.from(runLengths(pseudo_label)), width, height };
    const sets = masks.map((values) => {
      const data = Uint8Array.from(runLengths(values));
      return runsOfCounts(encodeRle({ data, width, height }, { value: 255 }), { width, height }, "a mask");
    });
    test.each(["max_iou", "max_iou_imp", "max_iou_imp2"] as const)("%s gives the public code's labels", (rule) => {
      const merged = mergeMasks(labels, sets, { rule, classes: n_classes });
      expect([...merged.data]).toEqual(runLengths(expected[rule]));
    });
  },
);

describe("best_fit", () => {
  const rule = "best_fit";

  test("gives a mask to the class that fits best, where the public rule takes the lowest id", () => {
    // The mask holds all of class 1 (recall 1) and most of it is class 2.
    const labels = map(["12222."]);
    const masks = [mask(["######"])];
    expect(rows(mergeMasks(labels, masks, { rule: "max_iou_imp2" }))).toEqual(["122221"]);
    expect(rows(mergeMasks(labels, masks, { rule }))).toEqual(["222222"]);
  });

  test("leaves a mask that a class fills but half to the background, unless most of the class is in it", () => {
    const masks = [mask(["#########....."])];
    expect(rows(mergeMasks(map(["11111....11111"]), masks, { rule: "max_iou_imp2" }))).toEqual(["11111111111111"]);
    expect(rows(mergeMasks(map(["11111....11111"]), masks, { rule }))).toEqual([".........11111"]);
    expect(rows(mergeMasks(map(["111111...11111"]), masks, { rule }))).toEqual(["11111111111111"]);
    const wide = (inside: number) => map(["1".repeat(inside) + ".".repeat(50 - inside) + "1".repeat(30)]);
    const fifty = [mask(["#".repeat(50) + ".".repeat(30)])];
    expect(rows(mergeMasks(wide(30), fifty, { rule }))).toEqual([".".repeat(50) + "1".repeat(30)]);
    expect(rows(mergeMasks(wide(31), fifty, { rule }))).toEqual(["1".repeat(80)]);
    expect(rows(mergeMasks(map(["11111........."]), masks, { rule }))).toEqual(["111111111....."]);
  });

  test("puts the mask with the larger IoU on top, whichever class is higher", () => {
    const labels = map(["1111..", "1111..", "..2222"]);
    const first = mask(["####..", "####..", "......"]); // all of class 1
    const second = mask(["..####", "..####", "..####"]); // all of class 2, and much else
    expect(rows(mergeMasks(labels, [first, second], { rule }))).toEqual(["111122", "111122", "..2222"]);
    expect(rows(mergeMasks(labels, [second, first], { rule }))).toEqual(["111122", "111122", "..2222"]);
  });

  test("leaves what no mask covers as it was, unknown pixels too, and clears what lies in masks of no class", () => {
    const labels = map(["11?....1"]);
    const masks = [mask(["....####"])];
    expect(rows(mergeMasks(labels, masks, { rule }))).toEqual(["11?....."]);
  });

  test("does not give masks to background or unknown", () => {
    const labels = map(["???...1"]);
    const masks = [mask(["###...."]), mask(["...###."])];
    expect(rows(mergeMasks(labels, masks, { rule }))).toEqual(["......1"]);
  });

  test("does not depend on the order of masks", () => {
    const { size_hw, pseudo_label, masks } = cases.find(({ name }) => name === "random2")!;
    const [height, width] = size_hw;
    const labels = { data: Uint8Array.from(runLengths(pseudo_label)), width, height };
    const sets = masks.map((values) => {
      const data = Uint8Array.from(runLengths(values));
      return runsOfCounts(encodeRle({ data, width, height }, { value: 255 }), { width, height }, "a mask");
    });
    const merged = mergeMasks(labels, sets, { rule });
    expect(mergeMasks(labels, sets.toReversed(), { rule })).toEqual(merged);
    expect(merged.data).not.toEqual(labels.data);
  });

  test("without masks changes nothing", () => {
    const labels = map(["1?2", "..."]);
    expect(mergeMasks(labels, [], { rule })).toEqual(labels);
  });
});
