/** The dense CRF over folders of label maps: results, unknown pixels, resuming, bad input. */
import { mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { describe, expect, it, onTestFinished } from "vitest";
import type { RgbImage } from "../../src/data/types.ts";
import { readFileBytes } from "../../src/files.ts";
import { decodePng, encodeIndexedPng, type LabelMap } from "../../src/formats/indexed-png.ts";
import { vocPalette } from "../../src/formats/palette.ts";
import { crfParamsOf } from "../../src/refine/crf-params.ts";
import { type RefineOptions, refineCrf } from "../../src/refine/crf-stage.ts";
import { denseCrf } from "../../src/refine/dense-crf.ts";
import { type CrfSettings, refineLabels } from "../../src/refine/refine-labels.ts";
import { unaryFromLabels } from "../../src/refine/unaries.ts";
import { fromTypedArray, liveTensors, scope } from "../../src/torch/index.ts";

const params: CrfSettings = {
  gt_prob: 0.7,
  crf_scale: 1,
  iterations: 10,
  gaussian_sxy: 3,
  gaussian_compat: 3,
  bilateral_sxy: 50,
  bilateral_srgb: 5,
  bilateral_compat: 10,
};

const [width, height] = [32, 24];

/** A dark disc on a light ground. */
function disc(): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.fill(inDisc(i) ? 40 : 200, i * 3, i * 3 + 3);
  return { data, width, height };
}

function inDisc(i: number): boolean {
  return Math.hypot((i % width) - 15.5, Math.floor(i / width) - 11.5) < 8;
}

function mapOf(label: (i: number) => number): LabelMap {
  return { data: Uint8Array.from({ length: width * height }, (_, i) => label(i)), width, height };
}

/** Too small a disc of class 12. */
const rough = () => mapOf((i) => (Math.hypot((i % width) - 15.5, Math.floor(i / width) - 11.5) < 6 ? 12 : 0));
const exact = mapOf((i) => (inDisc(i) ? 12 : 0));

async function scene(ids: readonly string[] = ["a", "sub/b"]) {
  const root = mkdtempSync(join(tmpdir(), "csrm-test-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const paths = { images: join(root, "images"), labels: join(root, "labels"), out: join(root, "out") };
  for (const id of ids) {
    const photograph = join(paths.images, `${id}.png`);
    mkdirSync(dirname(photograph), { recursive: true });
    await sharp(disc().data, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(photograph);
    putLabels(join(paths.labels, `${id}.png`), rough());
  }
  return { root, ...paths, params } satisfies RefineOptions & { root: string };
}

function putLabels(file: string, map: LabelMap): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, encodeIndexedPng(map));
}

describe("refining a label map", () => {
  it("draws the outline where the photograph has it", () => {
    expect(refineLabels(disc(), rough(), params).data).toEqual(exact.data);
  });

  it("is the argmax of the CRF over the labels that the map holds", () => {
    const labels = mapOf((i) => [0, 7, 255 - 1][(i * 7 + (i >> 4)) % 3]!);
    const index = labels.data.map((id) => [0, 7, 254].indexOf(id));
    const wanted = scope(() => {
      const unary = unaryFromLabels(fromTypedArray(index, [1, height, width]), { labelCount: 3, gtProb: 0.7 });
      const images = fromTypedArray(disc().data, [1, height, width, 3]);
      return denseCrf({ images, unary, params: crfParamsOf(params) })
        .argmax(1)
        .toArray();
    });
    expect([...refineLabels(disc(), labels, params).data]).toEqual(wanted.map((k) => [0, 7, 254][k]));
  });

  it("fills unknown pixels", () => {
    const holes = mapOf((i) => (i % 3 === 0 ? 255 : exact.data[i]!));
    expect(refineLabels(disc(), holes, params).data).toEqual(exact.data);
  });

  it("at half the resolution stays near the full one, with unknown pixels and without", () => {
    for (const map of [rough(), mapOf((i) => (i % 5 === 0 ? 255 : exact.data[i]!))]) {
      const half = refineLabels(disc(), map, { ...params, crf_scale: 0.5 }).data;
      const wrong = half.filter((label, i) => label !== exact.data[i]);
      expect(wrong.length).toBeLessThan(0.06 * half.length);
    }
  });

  it("leaves a map of one label, and one of none, as it is", () => {
    for (const id of [0, 12, 255]) {
      expect(
        refineLabels(
          disc(),
          mapOf(() => id),
          params,
        ).data,
      ).toEqual(mapOf(() => id).data);
    }
    expect(
      refineLabels(
        disc(),
        mapOf((i) => (i % 2 ? 12 : 255)),
        params,
      ).data,
    ).toEqual(mapOf(() => 12).data);
  });

  it("leaves no tensors behind and its input as it was", () => {
    const before = liveTensors();
    const map = rough();
    refineLabels(disc(), map, params);
    expect(map.data).toEqual(rough().data);
    expect(liveTensors()).toBe(before);
  });
});

describe("refining a folder", () => {
  it("writes indexed PNGs of the same ids for every label map in it", async () => {
    const { root, ...options } = await scene();
    expect(await refineCrf(options)).toMatchObject({ dir: options.out, ids: ["a", "sub/b"], resumed: 0 });
    for (const id of ["a", "sub/b"]) {
      const file = join(options.out, `${id}.png`);
      const png = decodePng(await readFileBytes(file), file);
      expect(png).toMatchObject({ width, height, colour: "palette", palette: vocPalette() });
      expect(png.data).toEqual(exact.data);
    }
  });

  it("takes the photographs of a data set, and only the ids asked for", async () => {
    const { root, ...options } = await scene();
    const images = { samples: [{ id: "a", image: join(options.images, "a.png") }] };
    expect(await refineCrf({ ...options, images, ids: ["a"] })).toMatchObject({ ids: ["a"] });
  });

  it("again does only what is missing or has changed", async () => {
    const { root, ...options } = await scene();
    await refineCrf(options);
    expect(await refineCrf(options)).toMatchObject({ resumed: 2 });
    rmSync(join(options.out, "a.png"));
    expect(await refineCrf(options)).toMatchObject({ resumed: 1 });
    const labels = join(options.labels, "a.png");
    putLabels(
      labels,
      mapOf(() => 8),
    );
    const later = statSync(join(options.out, "a.png")).mtimeMs / 1000 + 5;
    utimesSync(labels, later, later);
    expect(await refineCrf(options)).toMatchObject({ resumed: 1 });
    const file = join(options.out, "a.png");
    expect(new Set(decodePng(await readFileBytes(file), file).data)).toEqual(new Set([8]));
  });

  it("with other settings is an error that shows the difference, or begins anew", async () => {
    const { root, ...options } = await scene();
    await refineCrf(options);
    const others = { ...options, params: { ...params, iterations: 5, gt_prob: 0.9 } };
    await expect(refineCrf(others)).rejects.toThrow(/gt_prob: 0\.7 → 0\.9\n {2}iterations: 10 → 5/);
    expect(await refineCrf({ ...others, fresh: true })).toMatchObject({ resumed: 0 });
  });
});

describe("refining refuses", () => {
  it("a label map without photograph, before anything is refined", async () => {
    const { root, ...options } = await scene();
    rmSync(join(options.images, "sub/b.png"));
    await expect(refineCrf(options)).rejects.toThrow(`no image for label map sub/b in ${options.images}`);
    expect(() => statSync(options.out)).toThrow();
  });

  it("a missing label map", async () => {
    const { root, ...options } = await scene();
    await expect(refineCrf({ ...options, ids: ["a", "x"] })).rejects.toThrow(
      `no label map ${join(options.labels, "x.png")}`,
    );
  });

  it("a label map of another size than its photograph, naming both", async () => {
    const { root, ...options } = await scene();
    putLabels(join(options.labels, "a.png"), { data: new Uint8Array(6), width: 3, height: 2 });
    const [map, image] = [join(options.labels, "a.png"), join(options.images, "a.png")];
    const message = `expected 32×24, the size of ${image}, for ${map}, got "3×2"`;
    await expect(refineCrf(options)).rejects.toThrow(message);
  });

  it("damaged label maps and photographs, naming them", async () => {
    const { root, ...options } = await scene();
    writeFileSync(join(options.images, "a.png"), "no picture");
    await expect(refineCrf(options)).rejects.toThrow(join(options.images, "a.png"));
    writeFileSync(join(options.labels, "sub/b.png"), "no labels");
    await expect(refineCrf({ ...options, ids: ["sub/b"] })).rejects.toThrow(join(options.labels, "sub/b.png"));
  });

  it("an empty folder, an absent one, and its own input as output", async () => {
    const { root, ...options } = await scene();
    mkdirSync(join(root, "empty"));
    await expect(refineCrf({ ...options, labels: join(root, "empty") })).rejects.toThrow("expected label maps");
    await expect(refineCrf({ ...options, labels: join(root, "gone") })).rejects.toThrow("no such file");
    await expect(refineCrf({ ...options, out: options.labels })).rejects.toThrow(
      "another folder than that of the labels",
    );
  });

  it("certainties and scales outside their ranges", async () => {
    const { root, ...options } = await scene(["a"]);
    for (const wrong of [{ gt_prob: 1 }, { crf_scale: 0 }, { crf_scale: 2 }, { bilateral_sxy: 0 }]) {
      const name = Object.keys(wrong)[0]!;
      await expect(
        refineCrf({ ...options, out: join(root, name), fresh: true, params: { ...params, ...wrong } }),
      ).rejects.toThrow();
    }
  });
});
