/** Photographs and label maps that are cut as one: a label must stay on its pixel whatever the draws. */
import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { Loader } from "../../src/data/loader.ts";
import { drawPair, loadPair, type PairOptions, planPair, writePair } from "../../src/data/pairs.ts";
import { Rng } from "../../src/data/rng.ts";
import type { Dataset } from "../../src/data/types.ts";
import { CsrmError } from "../../src/errors.ts";
import { coordinates, Scratch } from "./fixture.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

const base: Omit<PairOptions, "labels"> = {
  resize: { longest: [40, 40] },
  kernel: "linear",
  place: "random",
  padding: [9, 8, 7],
  flip: 0,
};
const draws = { flip: false, size: 0, across: 0, down: 0 };

describe("planPair", () => {
  const plan = (original: [number, number], place: [number, number], d: Partial<typeof draws>, o = {}) =>
    planPair(
      { width: original[0], height: original[1] },
      { width: place[0], height: place[1] },
      { ...draws, ...d },
      { ...base, ...o },
    );

  it("gives the longer side a whole length of the range, both ends included", () => {
    const longest = (size: number) => plan([50, 100], [8, 8], { size }, { resize: { longest: [20, 22] } });
    expect([0, 0.34, 0.99].map((size) => longest(size).height)).toEqual([20, 21, 22]);
    expect(longest(0).width).toBe(10);
  });

  it("takes each factor of a list equally often", () => {
    const resize = { ...base.resize, factors: [0.5, 1, 1.5] };
    expect([0, 0.3, 0.34, 0.7, 0.99].map((size) => plan([10, 10], [4, 4], { size }, { resize }).width)).toEqual([
      5, 5, 10, 15, 15,
    ]);
  });

  it("cuts what is too long, and lays what is too short anywhere or into the corner", () => {
    const wide = { across: 0.999, down: 0.999 };
    expect(plan([40, 20], [30, 30], wide)).toMatchObject({
      crop: { left: 10, top: 0, width: 30, height: 20 },
      left: 0,
      top: 10,
    });
    expect(plan([40, 20], [30, 30], wide, { place: "corner" })).toMatchObject({ left: 0, top: 0 });
    expect(plan([40, 20], [30, 30], draws)).toMatchObject({ crop: { left: 0 }, top: 0 });
  });
});

describe("a pair", () => {
  /** Labels that tell the column of the photograph's own pixel, as its red does. */
  const columns = (width: number, height: number) => ({
    data: Uint8Array.from({ length: width * height }, (_, i) => i % width),
    width,
    height,
  });

  it("keeps every label on its pixel at any draw, and puts colour and void beside the photograph", async () => {
    const file = await scratch.picture("pair.png", coordinates(40, 24, 99));
    for (const factors of [null, [0.5, 1, 1.5]]) {
      const resize: PairOptions["resize"] = { longest: [20, 80], factors };
      for (let seed = 0; seed < 12; seed++) {
        const options = { ...base, resize, flip: 0.5, labels: async () => columns(40, 24) };
        const target = { width: 30, height: 30, pixels: new Uint8Array(2700), labels: new Uint8Array(900) };
        await loadPair(file, columns(40, 24), target, { draws: drawPair(new Rng(seed), options), options });
        let inside = 0;
        for (let i = 0; i < 900; i++) {
          const pixel = [...target.pixels.subarray(i * 3, i * 3 + 3)];
          if (target.labels[i] === 255) expect(pixel).toEqual([9, 8, 7]);
          else {
            inside++;
            expect(Math.abs(pixel[0]! - target.labels[i]!)).toBeLessThanOrEqual(1.5);
            expect(pixel[2]).toBe(99);
          }
        }
        expect(inside).toBeGreaterThan(100);
      }
    }
  });

  it("mirrors both", () => {
    const target = { width: 5, height: 1, pixels: new Uint8Array(15), labels: new Uint8Array(5) };
    const plan = planPair({ width: 4, height: 1 }, target, draws, {
      ...base,
      resize: { ...base.resize, factors: [1] },
    });
    writePair(coordinates(4, 1), columns(4, 1), target, { plan, flip: true, padding: [9, 9, 9] });
    expect([...target.labels]).toEqual([255, 3, 2, 1, 0]);
    expect([...target.pixels.filter((_, i) => i % 3 === 0)]).toEqual([9, 3, 2, 1, 0]);
  });

  it("needs a label map of the photograph's size", async () => {
    const file = await scratch.picture("other.png", coordinates(40, 24));
    const target = { width: 8, height: 8, pixels: new Uint8Array(192), labels: new Uint8Array(64) };
    const work = loadPair(file, columns(41, 24), target, {
      draws,
      options: { ...base, labels: async () => columns(1, 1) },
    });
    await expect(work).rejects.toThrow(/size of .*other\.png, 40×24, got 41×24/);
  });
});

describe("a loader of pairs", () => {
  const dataset = async (): Promise<Dataset> => ({
    name: "pairs",
    root: scratch.root,
    classes: { ids: [0, 1], names: ["background", "a"] },
    samples: await Promise.all(
      [0, 1, 2, 3].map(async (i) => ({
        id: `${i}`,
        image: await scratch.picture(`l${i}.png`, coordinates(20, 20, i)),
        tags: null,
      })),
    ),
  });
  const labelled = (id: string) => ({ data: new Uint8Array(400).fill(Number(id)), width: 20, height: 20 });
  const options = { batchSize: 3, size: [16, 16], seed: 3 } as const;

  it("gives each picture its own labels, the same for any number of workers, and goes on exactly", async () => {
    const pairs: PairOptions = {
      ...base,
      resize: { longest: [20, 30] },
      flip: 0.5,
      labels: async (id) => labelled(id),
    };
    const runs = [];
    for (const workers of [0, 3]) {
      const loader = new Loader(await dataset(), { ...options, pairs, workers });
      runs.push([await loader.next(), await loader.next(), await loader.next()]);
      await loader.close();
    }
    expect(runs[0]).toEqual(runs[1]);
    for (const { ids, labels, images } of runs[0]!) {
      for (const [slot, id] of ids.entries()) {
        expect(new Set(labels!.subarray(slot * 256, (slot + 1) * 256))).toEqual(new Set([Number(id)]));
        expect(images[slot * 768 + 2]).toBe(Number(id));
      }
    }
    const again = new Loader(await dataset(), { ...options, pairs });
    again.restore({ epoch: 1, position: 2 });
    expect(await again.next()).toEqual(runs[0]![2]);
    await again.close();
  });

  it("skips a photograph that cannot be read, but not a label map", async () => {
    const data = await dataset();
    writeFileSync(data.samples[1]!.image, "no picture");
    const pairs: PairOptions = { ...base, labels: async (id) => labelled(id) };
    const loader = new Loader(data, { ...options, pairs, onBadImage: "skip" });
    for (let i = 0; i < 3; i++) expect((await loader.next()).ids).not.toContain("1");
    expect([...loader.skipped.keys()]).toEqual([data.samples[1]!.image]);
    await loader.close();
    const labels = async () => {
      throw new CsrmError("no label map here", { code: "file" });
    };
    const strict = new Loader(await dataset(), { ...options, pairs: { ...pairs, labels }, onBadImage: "skip" });
    await expect(strict.next()).rejects.toThrow("no label map here");
    await strict.close();
  });
});
