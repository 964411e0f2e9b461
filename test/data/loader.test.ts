import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { augmentDefaults } from "../../src/data/augment.ts";
import { Loader, type LoaderOptions } from "../../src/data/loader.ts";
import type { Batch, Dataset } from "../../src/data/types.ts";
import { coordinates, Scratch } from "./fixture.ts";

const COUNT = 10;
const scratch = new Scratch();
let dataset: Dataset;

beforeAll(async () => {
  const classes = { ids: [0, 8, 15], names: ["background", "cat", "person"] };
  dataset = { name: "ten", root: scratch.root, classes, samples: [] };
  for (let i = 0; i < COUNT; i++) {
    const image = await scratch.picture(`${i}.png`, coordinates(20 + i, 30 - i, i));
    dataset.samples.push({ id: `${i}`, image, tags: i === 3 ? null : Uint8Array.of(i & 1, (i >> 1) & 1) });
  }
});
afterAll(() => scratch.remove());

const options: LoaderOptions = { batchSize: 4, size: [16, 24], seed: 7 };

async function take(loader: Loader, count: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let i = 0; i < count; i++) batches.push(await loader.next());
  return batches;
}

async function batchesOf(extra: Partial<LoaderOptions>, count = 6, data = dataset): Promise<Batch[]> {
  const loader = new Loader(data, { ...options, ...extra });
  try {
    return await take(loader, count);
  } finally {
    await loader.close();
  }
}

describe("a batch", () => {
  it("has the promised shapes, the tags of its images, and the images that its ids name", async () => {
    for (const crop of ["resize", "scale_crop"] as const) {
      for (const batch of await batchesOf({ augment: { crop } })) {
        expect(batch.images.length).toBe(4 * 16 * 24 * 3);
        expect([batch.height, batch.width, batch.ids.length]).toEqual([16, 24, 4]);
        for (const [slot, id] of batch.ids.entries()) {
          const blue = batch.images.subarray(slot * 16 * 24 * 3).filter((_, i) => i % 3 === 2 && i < 16 * 24 * 3);
          expect(new Set(blue)).toEqual(new Set([Number(id)]));
          const tags = dataset.samples[Number(id)]!.tags ?? [0, 0];
          expect([...batch.tags.subarray(slot * 2, slot * 2 + 2)]).toEqual([...tags]);
        }
      }
    }
  });

  it("is flipped about half of the time, and never when the probability is 0", async () => {
    const rising = ({ images }: Batch, slot: number) => images[slot * 1152]! < images[slot * 1152 + 23 * 3]!;
    const count = (batches: Batch[]) =>
      batches.flatMap((batch) => [0, 1, 2, 3].filter((slot) => rising(batch, slot))).length;
    expect(count(await batchesOf({ augment: { flip: 0 } }, 10))).toBe(40);
    expect(count(await batchesOf({ augment: { flip: 1 } }, 10))).toBe(0);
    const half = count(await batchesOf({}, 25));
    expect(half).toBeGreaterThan(30);
    expect(half).toBeLessThan(70);
  });

  it("shows different cuts of a picture in different epochs", async () => {
    const one = { ...dataset, samples: dataset.samples.slice(0, 1) };
    const augment = { crop: "scale_crop", scale: [1, 1.5], flip: 0 } as const;
    const batches = await batchesOf({ batchSize: 1, size: [8, 8], augment }, 6, one);
    expect(new Set(batches.map((batch) => batch.images.join())).size).toBeGreaterThan(3);
  });
});

describe("the order", () => {
  it("uses every image once an epoch, across batches that straddle epochs, in a new order each time", async () => {
    const ids = (await batchesOf({}, 10)).flatMap((batch) => batch.ids);
    const epochs = [0, 1, 2, 3].map((epoch) => ids.slice(epoch * COUNT, (epoch + 1) * COUNT));
    for (const epoch of epochs) expect([...epoch].sort()).toEqual(dataset.samples.map((sample) => sample.id));
    expect(new Set(epochs.map((epoch) => epoch.join())).size).toBe(4);
  });

  it("is the data set's without shuffling", async () => {
    const ids = (await batchesOf({ shuffle: false }, 5)).flatMap((batch) => batch.ids);
    expect(ids.join("")).toBe("01234567890123456789");
  });

  it("goes on when the batch is larger than the data set", async () => {
    const [batch] = await batchesOf({ batchSize: 23 }, 1);
    const counts = new Map<string, number>();
    for (const id of batch!.ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    expect([...counts.values()].sort().join("")).toBe("2222222333");
  });
});

describe("determinism", () => {
  it("makes identical batches whatever the number of workers", async () => {
    for (const crop of ["resize", "scale_crop"] as const) {
      const reference = await batchesOf({ workers: 1, augment: { crop } });
      expect(await batchesOf({ workers: 4, augment: { crop } })).toEqual(reference);
      expect(await batchesOf({ workers: 0, augment: { crop } })).toEqual(reference);
      expect(await batchesOf({ workers: 2, augment: { crop }, seed: 8 })).not.toEqual(reference);
      const jitter = { ...augmentDefaults.jitter, probability: 0.8 };
      const augment = { crop, jitter, blur: { probability: 0.5, radius: [0.15, 1.15] } } as const;
      const coloured = await batchesOf({ workers: 1, augment });
      expect(coloured).not.toEqual(reference);
      expect(await batchesOf({ workers: 4, augment })).toEqual(coloured);
      expect(await batchesOf({ workers: 0, augment })).toEqual(coloured);
    }
  });

  it("continues exactly from a state that went through JSON, at every point of an epoch", async () => {
    const reference = await batchesOf({}, 8);
    for (const done of [1, 2, 3, 5]) {
      const first = new Loader(dataset, options);
      expect(await take(first, done)).toEqual(reference.slice(0, done));
      const state = JSON.parse(JSON.stringify(first.state()));
      await first.close();
      const second = new Loader(dataset, { ...options, workers: 3 });
      await second.next();
      second.restore(state);
      expect(await take(second, 8 - done)).toEqual(reference.slice(done));
      await second.close();
    }
  });

  it("counts the images that were handed out, not those prepared ahead", async () => {
    const loader = new Loader(dataset, { ...options, workers: 4 });
    expect(loader.state()).toEqual({ epoch: 0, position: 0 });
    await take(loader, 3);
    expect(loader.state()).toEqual({ epoch: 1, position: 2 });
    await loader.close();
    expect(loader.state()).toEqual({ epoch: 1, position: 2 });
  });

  it("refuses a state that another data set made", () => {
    const loader = new Loader(dataset, options);
    expect(() => loader.restore({ epoch: 0, position: 10 })).toThrow("a position below 10 for the loader's state");
  });
});

describe("images that cannot be read", () => {
  const damaged = (...bad: number[]): Dataset => ({
    ...dataset,
    samples: dataset.samples.map((sample, i) =>
      bad.includes(i) ? { ...sample, image: scratch.path(`bad${i}.jpg`) } : sample,
    ),
  });

  it("are named, every time that their batch is asked for, and do not end the process before", async () => {
    const loader = new Loader(damaged(5), { ...options, shuffle: false, workers: 3 });
    await loader.next();
    await new Promise((done) => setTimeout(done, 50));
    for (let i = 0; i < 2; i++) await expect(loader.next()).rejects.toThrow(/bad5.jpg: no such file/);
    expect(loader.state()).toEqual({ epoch: 0, position: 4 });
    await loader.close();
  });

  it("are replaced by the next readable one and reported, the same whatever the number of workers", async () => {
    const loader = new Loader(damaged(4, 5), { ...options, shuffle: false, onBadImage: "skip" });
    const batches = await take(loader, 2);
    await loader.close();
    expect(batches[1]!.ids).toEqual(["6", "6", "6", "7"]);
    expect([...loader.skipped.keys()]).toEqual([scratch.path("bad4.jpg"), scratch.path("bad5.jpg")]);
    expect(loader.skipped.get(scratch.path("bad5.jpg"))).toContain("no such file");
    const skip = { onBadImage: "skip", workers: 1 } as const;
    expect(await batchesOf({ ...skip, workers: 4 }, 6, damaged(1, 2, 9))).toEqual(
      await batchesOf(skip, 6, damaged(1, 2, 9)),
    );
  });

  it("end the run when there is nothing else", async () => {
    const all = damaged(...dataset.samples.keys());
    await expect(batchesOf({ onBadImage: "skip" }, 1, all)).rejects.toThrow(
      "10 images in a row cannot be read, the last: ",
    );
  });
});

describe("a loader", () => {
  it("refuses an empty data set and options out of range", () => {
    const refuse = (extra: object, message: string) =>
      expect(() => new Loader(dataset, { ...options, ...extra })).toThrow(message);
    expect(() => new Loader({ ...dataset, samples: [] }, options)).toThrow("at least one image for the data set ten");
    refuse({ batchSize: 0 }, "batchSize");
    refuse({ size: [0, 8] }, "size");
    refuse({ workers: 1.5 }, "workers");
    refuse({ augment: { crop: "cut" } }, "crop");
    refuse({ augment: { scale: [2, 1] } }, "scale");
    refuse({ augment: { flip: 50 } }, "a probability in 0..1 for flip, got 50");
    const { jitter } = augmentDefaults;
    refuse({ augment: { jitter: { ...jitter, hue: 0.7 } } }, "a fraction of the circle in 0..0.5 for hue, got 0.7");
    refuse({ augment: { jitter: { ...jitter, probability: 2 } } }, "a probability in 0..1 for jitter, got 2");
    refuse({ augment: { jitter: { ...jitter, contrast: 3 } } }, "a number in 0..1 for contrast, got 3");
    refuse({ augment: { blur: { probability: 1, radius: [2, 1] } } }, "two radii, the smaller first, for blur");
  });

  it("refuses a second call of next() while one is under way", async () => {
    const loader = new Loader(dataset, options);
    const first = loader.next();
    await expect(loader.next()).rejects.toThrow("while an earlier call was under way");
    await first;
    await loader.close();
  });

  it("prepares batches while the main thread computes", async () => {
    const loader = new Loader(dataset, { ...options, workers: 2 });
    await loader.next();
    const until = performance.now() + 300;
    while (performance.now() < until) Math.sqrt(until);
    const folder = dataset.samples.map((sample) => ({ path: sample.image, content: readFileSync(sample.image) }));
    for (const { path } of folder) rmSync(path);
    // Both batches prepared ahead were read from the files before these were gone.
    await loader.next();
    await loader.next();
    for (const { path, content } of folder) scratch.write(path.slice(scratch.root.length + 1), content);
    await loader.close();
  });
});

describe("masks", () => {
  it("cannot be reached from the loader by any import", () => {
    const src = resolve(dirname(fileURLToPath(import.meta.url)), "../../src");
    const seen = reachable(resolve(src, "data/loader.ts"));
    expect(seen.size).toBeGreaterThan(5);
    const prepare = ["sbd", "voc12", "coco-annotations", "coco-mask", "coco14"].map(
      (name) => `data/prepare/${name}.ts`,
    );
    const openers = ["data/check.ts", "evaluation/masks.ts", ...prepare];
    for (const opener of ["formats/indexed-png.ts", "formats/mat5.ts", ...openers]) {
      expect(existsSync(resolve(src, opener)), opener).toBe(true);
      expect([...seen]).not.toContain(resolve(src, opener));
    }
    expect([...seen].filter((file) => file.startsWith(resolve(src, "evaluation")))).toEqual([]);
  });

  it("are not opened when a data set is opened either", () => {
    const src = resolve(dirname(fileURLToPath(import.meta.url)), "../../src");
    expect([...reachable(resolve(src, "data/dataset.ts"))]).not.toContain(resolve(src, "formats/indexed-png.ts"));
  });
});

/** Every source file that importing `file` loads, itself included. */
function reachable(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const imports = readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g);
  for (const [, path] of imports) reachable(resolve(dirname(file), path!), seen);
  return seen;
}
