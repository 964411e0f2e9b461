/** Where the masks of a table come from, and what is refused before anything is trained or refined for it. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { regionSupply, samSupply } from "../../src/experiments/mask-supply.ts";
import { createSam } from "../../src/models/sam/sam.ts";
import { silentProgress } from "../../src/progress.ts";
import { openStamped } from "../../src/stamped-folder.ts";
import { ones, saveTensors } from "../../src/torch/index.ts";
import { csrm } from "../helpers/cli.ts";
import { temporaryFolder } from "../helpers/tiny.ts";

const root = temporaryFolder("supply");
const inRoot = (...names: string[]) => path.join(root, ...names);

async function photograph(folder: string, id: string) {
  mkdirSync(folder, { recursive: true });
  const image = path.join(folder, `${id}.png`);
  const noise = { type: "gaussian", mean: 120, sigma: 40 } as const;
  await sharp({ create: { width: 24, height: 16, channels: 3, background: "black", noise } }).toFile(image);
  return { id, image, tags: null };
}

describe("regions", () => {
  it("are made of the photographs that are asked for, once, and never taken for those of another data set", async () => {
    const [data, out] = [inRoot("data"), inRoot("table")];
    const samples = [await photograph(data, "a"), await photograph(data, "b")];
    const supply = regionSupply(out);
    const first = samples.slice(0, 1);
    const { settings } = await supply.open({ samples: first, list: "val", data }, silentProgress);
    expect(await supply.settings(data)).toEqual(settings);
    const made = () => readdirSync(path.join(out, "masks/regions")).sort();
    expect(made()).toEqual(["a.json", "settings.json"]);
    await supply.open({ samples, list: "val", data }, silentProgress);
    expect(made()).toEqual(["a.json", "b.json", "settings.json"]);
    const other = inRoot("other");
    const refusal =
      /masks\/regions was made with other settings.*\n +data: ".*data" → ".*other"\nchoose another --out$/;
    await expect(supply.settings(other)).rejects.toThrow(refusal);
    const foreign = regionSupply(out).open({ samples, list: "val", data: other }, silentProgress);
    await expect(foreign).rejects.toThrow(refusal);
  });

  it("of an experiment are refused with a way to another table that trains nothing", async () => {
    const out = inRoot("experiment");
    openStamped(path.join(out, "masks/regions"), { data: "data", scales: [1] });
    writeFileSync(path.join(out, "experiment.yaml"), "");
    await expect(regionSupply(out).settings("data")).rejects.toThrow(
      `csrm experiment refinement --runs ${out} --out OTHER makes such a table of the same runs, without any training`,
    );
  });
});

describe("masks of Segment Anything", () => {
  const weights = inRoot("other.safetensors");
  saveTensors(weights, new Map([["fc.weight", ones([1])]]));

  it("that cannot be there are refused before any training", async () => {
    const out = inRoot("nothing");
    mkdirSync(inRoot("empty"));
    for (const [args, message] of [
      [["--sam-masks", inRoot("empty")], "it holds neither <id>.json nor a folder <id>"],
      [["--sam-masks", weights], "it is a file"],
      [["--sam-masks", weights, "--sam-weights", weights], "it is a file"],
      [["--sam-weights", root], "there is no such file"],
      [["--sam-weights", weights], "csrm weights fetch sam_vit_b gets one"],
    ] as const) {
      const { code, stderr } = await csrm("experiment", "refinement", "toy-tiny", "--out", out, ...args);
      expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
    }
    expect(existsSync(out)).toBe(false);
  });

  it("of other settings are refused with what helps, which is no --fresh", async () => {
    const sam = createSam("mobile_sam");
    const file = inRoot("mobile.safetensors");
    saveTensors(file, sam.stateDict());
    sam.dispose();
    const masks = inRoot("masks");
    openStamped(masks, { weights: "another", network: "sam_vit_b" });
    const common = { out: inRoot("sam"), masks, device: "cpu", precision: "fp32" } as const;
    const error = await samSupply({ ...common, weights: file })
      .settings("data")
      .catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ message: expect.stringMatching(/network: "sam_vit_b" → "mobile_sam"/) });
    expect(String(error)).toContain("without --sam-weights these masks are taken as they are");
    expect(String(error)).not.toContain("--fresh");
    mkdirSync(path.join(masks, "a"));
    expect(await samSupply({ ...common, weights: null }).settings("data")).toEqual({
      masks,
      mask_settings: { weights: "another", network: "sam_vit_b" },
    });
  });
});
