import { describe, expect, it } from "vitest";
import type { StoredTensor } from "../../src/formats/stored-tensor.ts";
import { CSRM } from "../../src/models/csrm.ts";
import { purposesOf, tensorsFor } from "../../src/models/fit-weights.ts";
import { createBackbone } from "../../src/models/registry.ts";
import { remap } from "../../src/models/remap.ts";
import { withoutInit } from "../../src/torch/nn/index.ts";
import { readGolden } from "../helpers/golden.ts";
import { fileOf, puzzleNames, stageNames } from "../helpers/stored.ts";

const { counts } = readGolden<{ counts: Record<string, number> }>("13-key-remap");

/** A full-size CSRM network with ResNeSt-101 as names and shapes, without numbers. */
const shapes = (() => {
  const network = withoutInit(
    () => new CSRM({ backbone: createBackbone("resnest101", { classes: 1000 }), classes: 20 }),
  );
  const list = [...network.stateDict()].map(([key, { shape }]) => ({ key, shape }));
  network.dispose();
  return list;
})();

const HEADS = /^(aspp|project|decoder|representation)\./;
const isClassifier = (key: string) => !HEADS.test(key) && !key.startsWith("backbone.fc.");

function named(rename: (key: string) => string[], keep: (key: string) => boolean): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const { key, shape } of shapes) {
    if (!keep(key)) continue;
    const tensor: StoredTensor = { dtype: "float32", shape, place: key, read: () => new Uint8Array(0) };
    for (const name of rename(key)) tensors.set(name, tensor);
  }
  return tensors;
}

const plain = (key: string) => [key];

describe("a full-size ResNeSt-101", () => {
  it.each([
    {
      layout: "imagenet",
      entries: counts.imagenet_file_entries!,
      targets: 933,
      tensors: named(
        (key) => [key.replace("backbone.", "")],
        (key) => key.startsWith("backbone."),
      ),
      starts: ["backbone"],
    },
    {
      layout: "puzzle-cam",
      entries: counts.puzzle_original_entries!,
      targets: counts.puzzle_original_distinct_targets!,
      tensors: named(puzzleNames, isClassifier),
      starts: ["backbone", "classifier"],
    },
    {
      layout: "pnoc-stages",
      entries: counts.stage_only_entries!,
      targets: 934,
      tensors: named(stageNames, isClassifier),
      starts: ["backbone", "classifier"],
    },
    {
      layout: "classifier",
      entries: counts.classifier_2024_entries!,
      targets: 934,
      tensors: named(plain, isClassifier),
      starts: ["backbone", "classifier"],
    },
    {
      layout: "csrm",
      entries: counts.csrm_entries!,
      targets: 968,
      tensors: named(
        (key) => [`module.${key}`],
        (key) => !key.startsWith("backbone.fc."),
      ),
      starts: ["backbone", "classifier", "csrm"],
    },
  ])(
    "in the layout $layout finds a place for each of $entries entries",
    ({ layout, entries, targets, tensors, starts }) => {
      expect(tensors.size).toBe(entries);
      const remapped = remap(fileOf(tensors));
      expect(remapped).toMatchObject({ layout, backbone: "resnest101" });
      expect(remapped.unknown.size).toBe(0);
      expect(remapped.moves).toHaveLength(entries);
      expect(purposesOf(remapped)).toEqual(starts);
      const network = new Map(shapes.map(({ key, shape }) => [key, shape]));
      expect(remapped.tensors.size).toBe(targets);
      for (const [key, { shape }] of remapped.tensors) expect([key, shape]).toEqual([key, network.get(key)]);
      expect([...remapped.classifier.keys()]).toEqual(layout === "imagenet" ? ["fc.weight", "fc.bias"] : []);
    },
  );
});

describe("remap", () => {
  const tensor = (value: number, place: string): StoredTensor => {
    return { dtype: "uint8", shape: [1], place, read: () => Uint8Array.of(value) };
  };

  it("takes two names of one place where they hold the same numbers, and refuses others", () => {
    const pair = (second: StoredTensor) =>
      remap(
        fileOf(
          new Map([
            ["model.bn1.weight", tensor(1, "a")],
            ["stage1.1.weight", second],
          ]),
        ),
      );
    expect(pair(tensor(2, "a")).tensors.size).toBe(1);
    expect(pair(tensor(1, "b")).tensors.size).toBe(1);
    expect(() => pair(tensor(2, "b"))).toThrow(
      "file.pth: model.bn1.weight and stage1.1.weight have the same place in the network but not the same numbers",
    );
  });

  it("takes the teacher out of a training checkpoint", () => {
    const tensors = new Map([
      ["student/backbone.bn1.weight", tensor(1, "a")],
      ["teacher/backbone.bn1.weight", tensor(2, "b")],
      ["optimizer/0", tensor(3, "c")],
    ]);
    const { tensors: placed, moves } = remap(fileOf(tensors));
    expect(placed.get("backbone.bn1.weight")!.read()[0]).toBe(2);
    expect(moves).toEqual([{ from: "teacher/backbone.bn1.weight", to: "backbone.bn1.weight" }]);
  });

  it("keeps names that it does not know, to be reported", () => {
    const remapped = remap(fileOf(new Map([["head.weight", tensor(1, "a")]])));
    expect(remapped).toMatchObject({ layout: "unknown", backbone: undefined });
    expect([...tensorsFor("backbone", remapped).keys()]).toEqual(["head.weight"]);
    expect(purposesOf(remapped)).toEqual([]);
  });
});
