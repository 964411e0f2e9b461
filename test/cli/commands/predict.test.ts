/** csrm predict and csrm refine crf on photographs in a folder of our own, with a random network. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PredictResult } from "../../../src/cli/commands/predict.ts";
import { decodeImage } from "../../../src/data/image.ts";
import { readFileBytes, temporaryName } from "../../../src/files.ts";
import { decodePng } from "../../../src/formats/indexed-png.ts";
import { csrm } from "../../helpers/cli.ts";
import { picture, temporaryFolder, tinyModelFile, writePicture } from "../../inference/tiny.ts";

const quick = ["--scales", "1", "--no-flip", "--size", "64", "--precision", "fp32"];

async function scene(kind: "csrm" | "classifier" = "csrm") {
  const root = temporaryFolder();
  const images = join(root, "photos");
  await writePicture(join(images, "a.png"), picture(50, 37));
  await writePicture(join(images, "trip/b.png"), picture(40, 48, 3));
  const out = join(root, "masks");
  const base = ["predict", "--model", tinyModelFile(kind), "--out", out, ...quick];
  return { root, images, out, base, args: [...base, "--images", images] };
}

async function idsIn(file: string): Promise<number[]> {
  return [...new Set(decodePng(await readFileBytes(file), file).data)].sort((a, b) => a - b);
}

describe("csrm predict", () => {
  it("writes label maps, refined ones and overlays in the photographs' size", async () => {
    const { out, args } = await scene();
    const { code, stdout } = await csrm(...args, "--tags", "all", "--crf", "--overlays");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^2 label maps in \d+ s: .*pseudo\nrefined: .*pseudo-crf\noverlays: .*overlays-crf\n$/);
    for (const folder of ["pseudo", "pseudo-crf"]) {
      const file = join(out, folder, "trip/b.png");
      expect(decodePng(await readFileBytes(file), file)).toMatchObject({ width: 40, height: 48, colour: "palette" });
    }
    expect(await decodeImage(join(out, "overlays-crf/a.jpg"))).toMatchObject({ width: 50, height: 37 });
  });

  it("prints everything that says how it was done as JSON", async () => {
    const { out, args } = await scene();
    const { stdout } = await csrm(...args, "--source", "cam", "--threshold", "0.3", "--json");
    const result = JSON.parse(stdout) as PredictResult;
    expect(result).toMatchObject({ out, images: 2, resumed: 0, skipped: [], predicted_tags: 2 });
    expect(result).toMatchObject({ source: "cam", threshold: 0.3, tta: "none", refined: null, overlays: null });
    expect(JSON.parse((await csrm(...args, "--source", "cam", "--threshold", "0.3", "--json")).stdout).resumed).toBe(2);
  });

  it("takes labels from the segmentation branch where there is one, else from activation maps", async () => {
    for (const [kind, source] of [
      ["csrm", "segmentation"],
      ["classifier", "cam"],
    ] as const) {
      const { args } = await scene(kind);
      expect(JSON.parse((await csrm(...args, "--json")).stdout)).toMatchObject({ source, threshold: 0.3 });
    }
  });

  it("refuses to write among the photographs, where its masks would be taken for some", async () => {
    const { images, args } = await scene();
    for (const out of [images, join(images, "masks")]) {
      const { code, stderr } = await csrm(...args, "--out", out);
      expect(code).toBe(1);
      expect(stderr).toContain(`expected a folder outside of the photographs' (${images}) for --out, got "${out}"`);
    }
    expect(readdirSync(images).sort()).toEqual(["a.png", "trip"]);
  });

  it("keeps a second process out of its folder", async () => {
    const { out, args } = await scene();
    mkdirSync(out);
    writeFileSync(join(out, ".lock"), JSON.stringify({ pid: 1, host: "elsewhere", birth: null, since: "then" }));
    expect((await csrm(...args)).stderr).toContain(`process 1 on elsewhere (since then) is at work in ${out}`);
  });

  it("refuses a folder of tags that has none of the photographs", async () => {
    const { root, args } = await scene();
    mkdirSync(join(root, "xml"));
    const { code, stderr } = await csrm(...args, "--tags", join(root, "xml"));
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/annotations of the images \(a\.xml of VOC, a\.json of labelme\) for .*xml, got "none"/),
    ]);
  });

  it("takes a single photograph", async () => {
    const { images, out, base } = await scene();
    const { code } = await csrm(...base, "--images", join(images, "trip/b.png"));
    expect(code).toBe(0);
    expect(readdirSync(join(out, "pseudo")).sort()).toEqual(["b.png", "settings.json"]);
  });

  it("keeps to the tags of a file, and to a list", async () => {
    const { root, out, args } = await scene();
    const tags = join(root, "tags.csv");
    writeFileSync(tags, "image,tags\na.png,dog\ntrip/b.png,\n");
    writeFileSync(join(root, "ids.txt"), "trip/b\n");
    await csrm(...args, "--tags", tags, "--source", "cam");
    expect((await idsIn(join(out, "pseudo/a.png"))).every((id) => id === 0 || id === 12)).toBe(true);
    expect(await idsIn(join(out, "pseudo/trip/b.png"))).toEqual([0]);
    const other = join(root, "other");
    await csrm(...args, "--ids", join(root, "ids.txt"), "--out", other);
    expect(existsSync(join(other, "pseudo/a.png"))).toBe(false);
  });

  it("takes tags in other forms, and says for how many photographs they are predicted", async () => {
    const { root, images, out, args } = await scene();
    const tags = join(root, "tags.json");
    writeFileSync(tags, JSON.stringify({ "trip/b.png": [] }));
    const { code, stderr } = await csrm(...args, "--tags", tags);
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining(`1 of 2 photographs get predicted tags: ${tags} does not name them`),
    ]);
    expect(await idsIn(join(out, "pseudo/trip/b.png"))).toEqual([0]);
    const unknown = await csrm(...args, "--tags", "folders", "--out", join(root, "other"));
    expect(unknown.stderr).toContain(`${images}, its folders: unknown tag "trip"`);
    await writePicture(join(images, "dog/c.png"), picture(30, 30, 5));
    rmSync(join(images, "trip"), { recursive: true });
    const sorted = await csrm(...args, "--tags", "folders", "--out", join(root, "sorted"), "--source", "cam");
    expect(sorted.stderr).toContain("1 of 2 photographs get predicted tags: they lie in no folder of a class");
    expect((await idsIn(join(root, "sorted/pseudo/dog/c.png"))).every((id) => id === 0 || id === 12)).toBe(true);
  });

  it("takes tags of a larger class table, of which the network knows some", async () => {
    const { root, args } = await scene();
    const tags = join(root, "tags.csv");
    writeFileSync(tags, "image,tags\na.png,dog sofa\ntrip/b.png,cat\n");
    const known = await csrm(...args, "--tags", tags, "--classes", "voc");
    expect(known).toMatchObject({ code: 0 });
    const unknown = await csrm(...args, "--tags", tags);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('tags.csv, line 2: unknown tag "sofa"');
  });

  it("skips a photograph that cannot be read, says so, and stops at it with --strict", async () => {
    const { images, out, args } = await scene();
    writeFileSync(join(images, "broken.jpg"), "no picture");
    const { code, stdout } = await csrm(...args, "--crf", "--overlays");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^2 label maps/);
    expect(stdout).toContain(`skipped 1 of 3 photographs:\n  cannot decode the image ${join(images, "broken.jpg")}`);
    expect(existsSync(join(out, "pseudo/broken.png"))).toBe(false);
    expect(await csrm(...args, "--strict")).toMatchObject({ code: 1, stderr: expect.stringContaining("broken.jpg") });
    rmSync(join(images, "a.png"));
    rmSync(join(images, "trip"), { recursive: true });
    const none = await csrm(...args, "--out", join(out, "other"));
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining("none of the 1 images could be read") });
  });

  it.each([
    ["an absent model", ["--model", "gone.safetensors"], "cannot read gone.safetensors: no such file"],
    ["an absent folder", ["--images", "gone"], "gone: no such file"],
    ["a file that is no picture", ["--images", "package.json"], "expected a picture or a folder of pictures"],
    ["absent tags", ["--tags", "gone.csv"], "gone.csv: no such file"],
    ["a threshold above 1", ["--threshold", "40"], "Expected a number of at least 0 and of at most 1"],
    ["a scale of 0", ["--scales", "1,0"], "Expected a number above 0"],
    ["a device that is none", ["--device", "gpu"], "Expected cpu, cuda or cuda:N"],
    ["a device that is not there", ["--device", "cuda:99"], "expected a device that libtorch can use (cpu"],
    ["a size without numbers", ["--size", "large"], "Expected original, HEIGHTxWIDTH or a number"],
  ])("refuses %s", async (_, more, message) => {
    const { args } = await scene();
    const { code, stderr } = await csrm(...args, ...more);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });

  it("refuses options that would mean nothing, naming what they need", async () => {
    const { root, images, out, args, base } = await scene();
    const one = [...base, "--images", join(images, "a.png")];
    const [tags, ids] = [join(root, "tags.csv"), join(root, "ids.txt")];
    writeFileSync(tags, "image,tags\na.png,dog\n");
    writeFileSync(ids, "a\n");
    const mistyped = join(root, "mistyped.txt");
    writeFileSync(mistyped, "a\ntrip/bb\n");
    for (const [command, message] of [
      [
        [...args, "--ids", mistyped],
        `1 of the 2 images of list ${mistyped} are missing, the first: ${join(images, "trip/bb.jpg")}`,
      ],
      [[...args, "--crf-scale", "0.5"], "expected --crf beside --crf-scale"],
      // The default, but said.
      [[...args, "--crf-scale", "1"], "expected --crf beside --crf-scale"],
      [[...args, "--classes", "voc"], '(--tags FILE) beside --classes for --tags, got "predicted"'],
      [[...args, "--classes", "voc", "--tags", "all"], '(--tags FILE) beside --classes for --tags, got "all"'],
      [[...one, "--ids", ids], "expected a folder of photographs beside --ids for --images"],
      [[...one, "--tags", tags, "--classes", "voc"], "expected a folder of photographs beside --classes for --images"],
    ] as const) {
      const { code, stderr } = await csrm(...command);
      expect(code).toBe(1);
      expect(stderr).toContain(message);
    }
    expect(existsSync(out)).toBe(false);
    expect(await csrm(...args, "--crf", "--crf-scale", "0.5")).toMatchObject({ code: 0 });
  });

  it("clears away what killed processes left half written in any of its folders", async () => {
    const { out, args } = await scene();
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const all = [...args, "--tags", "all", "--crf", "--overlays"];
    await csrm(...all);
    const whole = readdirSync(out, { recursive: true }).sort();
    for (const folder of ["cams/trip", "pseudo", "pseudo-crf/trip", "overlays-crf/trip"]) {
      writeFileSync(temporaryName(join(out, folder, "b"), pid), "half");
    }
    expect(await csrm(...all)).toMatchObject({ code: 0 });
    expect(readdirSync(out, { recursive: true }).sort()).toEqual(whole);
  });

  it("refuses an empty folder", async () => {
    const { root, base } = await scene();
    mkdirSync(join(root, "empty"));
    const { code, stderr } = await csrm(...base, "--images", join(root, "empty"));
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`in ${join(root, "empty")}; it is empty`),
    });
  });

  it("refuses another threshold in the same folder, unless told to begin anew", async () => {
    const { args } = await scene();
    await csrm(...args, "--source", "cam");
    const other = [...args, "--source", "cam", "--threshold", "0.5"];
    expect((await csrm(...other)).stderr).toContain("threshold: 0.3 → 0.5");
    expect(await csrm(...other, "--fresh")).toMatchObject({ code: 0 });
  });
});

describe("csrm refine crf", () => {
  it("refines what predict wrote, with its parameters beside the result", async () => {
    const { root, images, out, args } = await scene();
    await csrm(...args, "--tags", "all");
    const refined = join(root, "refined");
    const command = ["refine", "crf", "--images", images, "--labels", join(out, "pseudo"), "--out", refined];
    const { stdout } = await csrm(
      ...command,
      "--iterations",
      "2",
      "--bilateral-sxy",
      "20",
      "--crf-scale",
      "0.5",
      "--json",
    );
    expect(JSON.parse(stdout)).toMatchObject({
      images: 2,
      resumed: 0,
      iterations: 2,
      bilateral_sxy: 20,
      gt_prob: 0.7,
      crf_scale: 0.5,
    });
    expect(readdirSync(refined).sort()).toEqual(["a.png", "settings.json", "trip"]);
    const again = await csrm(...command);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("iterations: 2 → 10") });
  });

  it("gives the very label maps that predict --crf writes", async () => {
    const { root, images, out, args } = await scene();
    await csrm(...args, "--tags", "all", "--crf");
    const refined = join(root, "refined");
    await csrm("refine", "crf", "--images", images, "--labels", join(out, "pseudo"), "--out", refined);
    const files = [join(refined, "a.png"), join(out, "pseudo-crf/a.png")];
    const [one, other] = await Promise.all(files.map(readFileBytes));
    expect(one).toEqual(other);
  });

  it("refuses label maps without photographs, and parameters out of range", async () => {
    const { root, images, out, args } = await scene();
    await csrm(...args);
    rmSync(join(images, "a.png"));
    const command = [
      "refine",
      "crf",
      "--images",
      images,
      "--labels",
      join(out, "pseudo"),
      "--out",
      join(root, "refined"),
    ];
    const { code, stderr } = await csrm(...command);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("no image for label map a") });
    for (const wrong of [
      ["--gt-prob", "1"],
      ["--iterations", "0"],
      ["--bilateral-sxy", "0"],
      ["--crf-scale", "2"],
    ]) {
      expect((await csrm(...command, ...wrong)).stderr).toMatch(new RegExp(`argument '${wrong[1]}' is invalid`));
    }
  });

  it("refuses what the operator would refuse before anything is written", async () => {
    const { root, images, out, args } = await scene();
    await csrm(...args);
    const refined = join(root, "refined");
    const command = ["refine", "crf", "--images", images, "--labels", join(out, "pseudo"), "--out", refined];
    const widths = ["--gaussian-sxy", "--bilateral-sxy", "--bilateral-srgb"];
    for (const [range, options, values] of [
      ["0.000001 and of at most 1000000000", widths, ["1e-300", "9e-7", "1.1e9", "1e300"]],
      ["0 and of at most 1000000", ["--gaussian-compat", "--bilateral-compat"], ["-1", "1.1e6", "1e300"]],
    ] as const) {
      for (const option of options) {
        for (const value of values) {
          const { code, stderr } = await csrm(...command, `${option}=${value}`);
          expect(code).toBe(1);
          expect(stderr).toContain(`argument '${value}' is invalid. Expected a number of at least ${range}.`);
        }
      }
    }
    expect((await csrm(...command, "--iterations", "1e300")).stderr).toContain("argument '1e300' is invalid");
    // Each is within its range, but not both together.
    const shrunk = await csrm(...command, "--gaussian-sxy", "1e-6", "--crf-scale", "0.5");
    expect(shrunk).toMatchObject({ code: 1 });
    expect(shrunk.stderr).toContain("expected a number in 1e-6..1e9 for gaussianSxy, got 5e-7");
    expect(existsSync(refined)).toBe(false);
  });
});
