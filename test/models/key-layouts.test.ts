import { describe, expect, it } from "vitest";
import { backboneOf, type Layout, layoutOf, placeOf } from "../../src/models/key-layouts.ts";
import { backbones, createBackbone } from "../../src/models/registry.ts";
import { withoutInit } from "../../src/torch/nn/index.ts";
import { readGolden } from "../helpers/golden.ts";

const { layouts } = readGolden<{ layouts: Record<string, [string, string | null][]> }>("13-key-remap");

describe.each(Object.entries(layouts))("names of %s", (name, pairs) => {
  it("find the places that the reference has for them", () => {
    expect(pairs.length).toBeGreaterThan(5);
    expect(pairs.map(([from]) => [from, placeOf(from)?.target])).toEqual(pairs);
  });

  const expected: Record<string, Layout> = {
    imagenet_resnest: "imagenet",
    puzzle_original_with_duplicates: "puzzle-cam",
    stage_only: "pnoc-stages",
    classifier_2024: "classifier",
    data_parallel_prefix: "classifier",
  };
  it.runIf(name in expected)("are recognised as a layout", () => {
    expect(layoutOf(pairs.map(([from]) => from))).toBe(expected[name]);
  });
});

describe("placeOf", () => {
  it.each([
    ["module.model.stage5.0.1.bn1.bias", "backbone.layer4.1.bn1.bias"],
    ["_orig_mod.module.conv1.weight", "backbone.conv1.weight"],
    ["stage1.0.weight", "backbone.conv1.weight"],
    ["features.18.0.weight", "backbone.features.18.0.weight"],
    ["classifier.1.bias", null],
    ["classifier.weight", "classifier.weight"],
    ["representation.3.bias", "representation.3.bias"],
    ["project.0.weight", "project.0.weight"],
  ])("puts %s to %s", (key, target) => {
    expect(placeOf(key)?.target).toBe(target);
  });

  it.each([
    "layer5.0.conv1.weight",
    "stage6.0.x",
    "stage2.1.x",
    "conv_stem.weight",
    "head.fc.weight",
    "backbone",
    "fc",
  ])("does not know %s", (key) => {
    expect(placeOf(key)).toBeUndefined();
  });
});

describe("layoutOf", () => {
  it.each<[Layout, string[]]>([
    ["csrm", ["backbone.conv1.weight", "classifier.weight", "aspp.conv1.weight", "decoder.0.weight"]],
    ["deeplabv3+", ["backbone.conv1.weight", "aspp.conv1.weight", "decoder.conv1.weight", "decoder.classifier.8.bias"]],
    ["sam", ["image_encoder.pos_embed", "mask_decoder.iou_token.weight"]],
    ["puzzle-cam", ["model.conv1.weight", "classifier.weight"]],
    ["unknown", ["encoder.weight"]],
  ])("recognises %s", (layout, keys) => {
    expect(layoutOf(keys)).toBe(layout);
  });
});

describe("backboneOf", () => {
  it.each(backbones.map(({ name }) => name))("recognises %s by its names alone", (name) => {
    const backbone = withoutInit(() => createBackbone(name));
    const targets = [...backbone.stateDict().keys()].map((key) => `backbone.${key}`);
    backbone.dispose();
    expect(backboneOf(targets)).toBe(name);
    expect(backboneOf(targets.filter((key) => !/layer3\.0|features\.18/.test(key)))).toBeUndefined();
  });
});
