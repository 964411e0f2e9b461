/** `csrm experiment` as a person runs it: two seeds, killed in the middle, gone on with, asked for more. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { toldRegions } from "../../src/experiments/mask-supply.ts";
import { parseCsv } from "../../src/formats/csv.ts";
import { decodeLabelPng } from "../../src/formats/indexed-png.ts";
import { mergeMasks } from "../../src/refine/masks/merge.ts";
import { DEFAULT_REGIONS } from "../../src/refine/masks/regions.ts";
import { csrm } from "../helpers/cli.ts";
import { scalarsByStep } from "../helpers/tfevents.ts";
import { temporaryFolder } from "../helpers/tiny.ts";

const root = path.resolve(fileURLToPath(new URL(".", import.meta.url)), "../..");
const main = path.join(root, "dist/cli/main.js");

/** As short as every stage allows. */
const SHORT = [
  "data={size: [32, 32], toy: {train: 6, val: 3, size: 32}}",
  "schedule={steps: 4, warmup_steps: 1}",
  "pretrain.batch=3",
  "checkpoints.every_steps=2",
  "threads=1",
].flatMap((each) => ["--set", each]);

const out = path.join(temporaryFolder("experiment"), "ablation");
const command = (seeds: string, rows = "s,m") => [
  ...[
    "experiment",
    "ablation",
    "toy-tiny",
    "--out",
    out,
    "--seeds",
    seeds,
    "--rows",
    rows,
    "--set",
    "predict.crf=false",
  ],
  ...SHORT,
];
const run = (args: string[]) =>
  execFileSync(process.execPath, [main, ...args], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** Run lengths as COCO's JSON has them, from starts and ends. */
function countsOf(runs: readonly number[], pixels: number): number[] {
  const edges = [0, ...runs, pixels];
  return edges.slice(1).map((edge, i) => edge - edges[i]!);
}

/** Every file below the folders of runs, with when it was written and what is in it. */
function filesOf(...runs: string[]): Record<string, string> {
  return filesBelow(...runs.map((name) => path.join(out, "runs", name)));
}

function filesBelow(...folders: string[]): Record<string, string> {
  const files = folders.flatMap((folder) => {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return entries.map((entry) => path.join(entry.parentPath, entry.name));
  });
  return Object.fromEntries(
    files.map((file) => {
      const hash = createHash("sha256").update(readFileSync(file)).digest("hex");
      return [path.relative(out, file), `${statSync(file).mtimeMs} ${hash}`];
    }),
  );
}

const FIRST = ["start-s0", "s-s0"];
const ALL = [...FIRST, "m-s0", "start-s1", "s-s1", "m-s1"];

describe("csrm experiment ablation", () => {
  let finished: Record<string, string> = {};

  it("killed in the middle of a row goes on there, and does nothing of what was done again", async () => {
    const child = spawn(process.execPath, [main, ...command("0,1")], { cwd: root, stdio: "ignore" });
    const checkpoint = path.join(out, "runs/m-s0/train/checkpoints/last.safetensors");
    while (!existsSync(checkpoint)) {
      if (child.exitCode !== null) throw new Error(`the experiment ended early with code ${child.exitCode}`);
      await setTimeout(5);
    }
    child.kill("SIGKILL");
    await new Promise((done) => child.once("close", done));
    expect(existsSync(path.join(out, "runs/m-s0/train/model.safetensors"))).toBe(false);
    const report = () => readFileSync(path.join(out, "runs/m-s0/report.html"), "utf8");
    expect(report()).toContain("At work: train");
    const before = filesOf(...FIRST);
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...command("0,1")], {
      cwd: root,
      encoding: "utf8",
    });
    expect(status, stderr).toBe(0);
    expect(filesOf(...FIRST)).toEqual(before);
    expect(stderr).toContain("row 2 of 2 (+ L_m), seed 0 (1 of 2)");
    expect(stderr).toContain("start classifier, seed 1 (2 of 2)");
    expect(stderr).not.toContain("row 1 of 2 (L_s), seed 0");
    expect(report()).not.toContain("At work");
    expect(report()).toContain("<h2>Pictures</h2>");
    expect(stdout).toMatch(/^L_s +\d+\.\d ± \d+\.\d/m);
    const steps = readFileSync(path.join(out, "runs/m-s0/train/metrics.jsonl"), "utf8").trim().split("\n");
    expect(steps.map((line) => JSON.parse(line).step)).toEqual([1, 2, 3, 4]);
    const train = path.join(out, "runs/m-s0/train");
    const events = readdirSync(train).filter((name) => name.startsWith("events.out.tfevents."));
    const files = events.sort().map((name) => readFileSync(path.join(train, name)));
    expect(scalarsByStep(files).map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    finished = filesOf(...ALL);
  });

  it("has the rows of Table 1 over one start a seed, with the losses that each row has", () => {
    const losses = (name: string) => {
      const lines = readFileSync(path.join(out, "runs", name, "train/metrics.jsonl"), "utf8")
        .trim()
        .split("\n");
      return Object.keys(JSON.parse(lines.at(-1)!).losses).sort();
    };
    expect(losses("s-s0")).toEqual(["classification", "segmentation", "tags"]);
    expect(losses("m-s0")).toEqual(["classification", "contrast", "s2c", "segmentation", "tags", "unsupervised"]);
    const starts = ["s-s1", "m-s1"].map((name) =>
      JSON.parse(readFileSync(path.join(out, "runs", name, "train/start.json"), "utf8")),
    );
    expect(starts[0].start).toBe(path.join(out, "runs/start-s1/pretrain/model.safetensors"));
    expect(starts[1].sha256).toBe(starts[0].sha256);
    for (const name of ["s-s0", "m-s1"]) expect(existsSync(path.join(out, "runs", name, "pretrain"))).toBe(false);
  });

  it("writes a table, a CSV and a figure that agree with the runs", () => {
    const [head, ...lines] = parseCsv(readFileSync(path.join(out, "table.csv"), "utf8"), "table.csv");
    const rows = lines.map(({ cells }) => Object.fromEntries(cells.map((cell, i) => [head!.cells[i]!, cell])));
    expect(new Set(rows.map(({ row }) => row))).toEqual(new Set(["start", "s", "m"]));
    const figure = rows.find(({ row, method, split }) => row === "m" && method === "csrm" && split === "val")!;
    const values = [0, 1].map((seed) => {
      const file = path.join(out, `runs/m-s${seed}/evaluate/val-csrm.json`);
      return JSON.parse(readFileSync(file, "utf8")).miou as number;
    });
    expect([figure["seed 0"], figure["seed 1"]].map(Number)).toEqual(values);
    expect(Number(figure.mean)).toBeCloseTo((values[0]! + values[1]!) / 2, 12);
    expect(Number(figure.deviation)).toBeCloseTo(Math.abs(values[0]! - values[1]!) / Math.SQRT2, 12);
    const text = readFileSync(path.join(out, "table.md"), "utf8");
    expect(text).toContain("mean ± sample standard deviation over 2 seeds (0, 1)");
    expect(text).toMatch(/^\| \+ L_m \| L_s \|/m);
    for (const name of ["figure.svg", "figure.png", "experiment.yaml"])
      expect(existsSync(path.join(out, name))).toBe(true);
  });

  it("does nothing when called again, and refuses another recipe, showing the difference", async () => {
    const stdout = run([...command("0,1"), "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ seeds: [0, 1], rows: [{ key: "start" }, { key: "s" }, { key: "m" }] });
    expect(filesOf(...ALL)).toEqual(finished);
    const other = await csrm(...command("0"), "--set", "schedule.steps=5");
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/was made with another configuration.*\n +schedule\.steps: 4 → 5\n/);
  });

  it("lists in a dry run what more rows and seeds would take, and takes in the rows that are there", async () => {
    const { code, stdout } = await csrm(...command("1,2", "s,u,m"), "--dry-run", "--no-step", "--json");
    expect(code).toBe(0);
    const { jobs, rows_left, starts_left, steps_a_row } = JSON.parse(stdout);
    expect(jobs.map(({ row, seed, state }: Record<string, string>) => `${row} ${seed} ${state}`)).toEqual([
      "start 1 done",
      "L_s 1 done",
      "+ L_u 1 to do",
      "+ L_m 1 done",
      ...["start", "L_s", "+ L_u", "+ L_m"].map((row) => `${row} 2 to do`),
    ]);
    expect([rows_left, starts_left, steps_a_row]).toEqual([4, 1, 4]);
    expect(existsSync(path.join(out, "runs/u-s1"))).toBe(false);
    run(command("1", "u"));
    expect(filesOf(...ALL)).toEqual(finished);
    expect(readFileSync(path.join(out, "table.md"), "utf8")).toMatch(/^\| \+ L_u \| .* \(n = 1\) \|/m);
  });

  it("says what is wrong before it trains", async () => {
    const elsewhere = path.join(temporaryFolder("experiment"), "x");
    const base = ["experiment", "ablation", "toy-tiny", "--out", elsewhere];
    for (const [args, message] of [
      [["--rows", "s,c"], 'some of s, s2c, u, m for --rows, got "c"'],
      [["--seeds", "1,1"], "at least one seed, each once"],
      [["--seeds", "0.5"], "seed"],
      [["--set", "contrast.weight=0"], "a weight above 0, so that the row + L_m has that loss"],
      [["--set", "data.lists.score=[]", "--set", "predict.threshold=0.3"], "lists with masks to measure on"],
    ] as const) {
      const { code, stderr } = await csrm(...base, ...args);
      expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
    }
    expect(existsSync(elsewhere)).toBe(false);
    const foreign = await csrm("experiment", "ablation", "toy-tiny", "--out", path.join(out, "runs"));
    expect(foreign.stderr).toContain("holds files but no experiment.yaml");
  });
});

describe("csrm run", () => {
  it("measures nothing again but what a changed mask touches", () => {
    const folder = path.join(temporaryFolder("experiment"), "run");
    const again = () => {
      const { status, stderr } = spawnSync(process.execPath, [main, "run", "toy-tiny", "--out", folder, ...SHORT], {
        cwd: root,
        encoding: "utf8",
      });
      expect(status, stderr).toBe(0);
      return [...stderr.matchAll(/^evaluate (\S+ \S+) /gm)].map((match) => match[1]!);
    };
    const evaluations = () => {
      const names = readdirSync(path.join(folder, "evaluate")).filter((name) => name.startsWith("val-"));
      return names.map((name) => readFileSync(path.join(folder, "evaluate", name), "utf8"));
    };
    expect(again()).toHaveLength(10);
    const before = evaluations();
    const page = readFileSync(path.join(folder, "report.html"), "utf8");
    expect(again()).toEqual([]);
    expect(evaluations()).toEqual(before);
    const rows = (text: string) => /<h2>Evaluation<\/h2>[\s\S]*?<\/table>/.exec(text)![0];
    expect(rows(readFileSync(path.join(folder, "report.html"), "utf8"))).toBe(rows(page));
    const mask = readFileSync(path.join(folder, "data/ImageSets/Segmentation/val.txt"), "utf8").split("\n")[0]!;
    utimesSync(path.join(folder, `data/SegmentationClass/${mask}.png`), 1e9, 1e9);
    expect(again()).toEqual(["start val", "start_crf val", "csrm_cam val", "csrm val", "csrm_crf val"]);
    const figures = (text: string) => ({ ...JSON.parse(text), inputs: null });
    expect(evaluations().map(figures)).toEqual(before.map(figures));
  });
});

describe("csrm experiment refinement", () => {
  const parent = temporaryFolder("experiment");
  const folder = path.join(parent, "refinement");
  const whole = path.join(parent, "run");
  const tables = path.join(parent, "tables");
  const keysOf = (text: string): string[] => JSON.parse(text).rows.map(({ key }: { key: string }) => key);
  const refine = (runs: string, ...more: string[]) =>
    run(["experiment", "refinement", "--runs", runs, "--out", tables, "--json", ...more]);
  const PLAIN = ["start", "csrm_cam", "csrm", "start_crf", "csrm_crf"];
  const REFINED = ["start", "csrm", "start_crf", "csrm_crf"];
  const withMasks = (kind: string) => REFINED.map((key) => `${key}_${kind}`);

  it("holds start and CSRM, as they are and refined, against the start", () => {
    const args = ["experiment", "refinement", "toy-tiny", "--out", folder, ...SHORT];
    const trained = JSON.parse(run([...args, "--json"]));
    expect(keysOf(JSON.stringify(trained))).toEqual([...PLAIN, ...withMasks("regions")]);
    const text = readFileSync(path.join(folder, "table.md"), "utf8");
    expect(text).toMatch(/^\| CSRM \+ dCRF \+ regions \| start \|/m);
    expect(text).toContain(`Merged by best_fit; ${toldRegions(DEFAULT_REGIONS)}.`);
    expect(text).not.toMatch(/SAM masks/);
    // A run that did everything by itself has the same table, and stays as it is.
    run(["run", "toy-tiny", "--out", whole, ...SHORT]);
    const before = filesBelow(whole);
    expect(JSON.parse(refine(whole)).rows).toEqual(trained.rows);
    expect(filesBelow(whole)).toEqual(before);
    const maps = () =>
      Object.entries(filesBelow(path.join(tables, "refine"))).filter(([name]) => name.endsWith(".png"));
    const again = maps();
    expect(again).toHaveLength(4 * 9);
    expect(JSON.parse(refine(whole)).rows).toEqual(trained.rows);
    expect(maps()).toEqual(again);
  });

  it("merges the label maps behind a row with the masks that it is given, the dense CRF first", () => {
    const masks = path.join(parent, "sam-masks");
    mkdirSync(masks);
    // Two boxes, an even and an odd width, on every photograph of 32 × 32.
    const boxes = [
      [4, 6, 20, 24],
      [15, 2, 30, 19],
    ].map(([x0, y0, x1, y1]) => {
      const runs = Array.from({ length: x1! - x0! }, (_, i) => [(x0! + i) * 32 + y0!, (x0! + i) * 32 + y1!]);
      return runs.flat();
    });
    const records = boxes.map((runs) => ({ segmentation: { size: [32, 32], counts: countsOf(runs, 32 * 32) } }));
    const lists = ["train", "val"].map((list) => path.join(whole, "data/ImageSets/Segmentation", `${list}.txt`));
    const ids = lists.flatMap((list) => readFileSync(list, "utf8").trim().split("\n"));
    for (const id of ids) writeFileSync(path.join(masks, `${id}.json`), JSON.stringify(records));
    const given = ["--sam-masks", masks, "--rule", "max_iou_imp2"];
    const other = path.join(parent, "sam-tables");
    const rows = run(["experiment", "refinement", "--runs", whole, "--out", other, "--no-regions", "--json", ...given]);
    expect(keysOf(rows)).toEqual([...PLAIN, ...withMasks("sam")]);
    const [id] = readFileSync(lists[1]!, "utf8").trim().split("\n");
    for (const [method, labels] of [
      ["csrm_sam", "predict/csrm/val/pseudo"],
      ["start_crf_sam", "refine/start/val"],
    ] as const) {
      const file = path.join(whole, labels, `${id}.png`);
      const map = decodeLabelPng(readFileSync(file), file);
      const refined = path.join(other, `refine/sam/s0/${method}/val/${id}.png`);
      const { data } = decodeLabelPng(readFileSync(refined), refined);
      expect(data, method).toEqual(mergeMasks(map, boxes, { rule: "max_iou_imp2" }).data);
    }
    const figures = JSON.parse(readFileSync(path.join(other, "refine/sam/s0/evaluate/val-csrm_crf_sam.json"), "utf8"));
    expect(figures).toMatchObject({
      label: "CSRM + dCRF + SAM masks",
      crf: true,
      count: 3,
      predictions: "csrm_crf_sam/val",
    });
    const row = JSON.parse(rows).rows.find(({ key }: { key: string }) => key === "csrm_crf_sam");
    expect(row.figures.find(({ split }: { split: string }) => split === "val").values).toEqual({ 0: figures.miou });
    // One table is made in one way.
    const changed = spawnSync(
      process.execPath,
      [main, "experiment", "refinement", "--runs", whole, "--out", other, "--no-regions", "--sam-masks", masks],
      { cwd: root, encoding: "utf8" },
    );
    expect([changed.status, changed.stderr]).toEqual([1, expect.stringMatching(/rule: "max_iou_imp2" → "best_fit"/)]);
  });

  it("refuses another rule before it trains more seeds, and leaves the experiment as it is", async () => {
    const args = ["experiment", "refinement", "toy-tiny", "--out", folder, ...SHORT, "--seeds", "0,1"];
    const { code, stderr } = await csrm(...args, "--rule", "max_iou_imp2");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/rule: "best_fit" → "max_iou_imp2"/)]);
    expect(stderr).toContain(`csrm experiment refinement --runs ${folder} --out OTHER`);
    expect(existsSync(path.join(folder, "runs/start-s1"))).toBe(false);
  });

  it("keeps regions of another data set with the same ids apart, and goes on with an experiment that was moved", async () => {
    const stamp = (experiment: string) =>
      JSON.parse(readFileSync(path.join(experiment, "masks/regions/settings.json"), "utf8"));
    expect(stamp(tables).data).toBe(path.join(whole, "data"));
    const { code, stderr } = await csrm("experiment", "refinement", "--runs", folder, "--out", tables);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /masks\/regions was made with other settings.*\n +data: ".*run\/data" → ".*refinement\/data"\nchoose another --out/,
      ),
    ]);
    const moved = `${folder}-moved`;
    cpSync(folder, moved, { recursive: true, preserveTimestamps: true });
    expect(stamp(moved).data).toBe("data");
    const before = filesBelow(path.join(moved, "masks"));
    run(["experiment", "refinement", "toy-tiny", "--out", moved, ...SHORT]);
    expect(filesBelow(path.join(moved, "masks"))).toEqual(before);
  });

  it("is named after the runs, and leaves out a photograph that cannot be decoded", () => {
    const broken = path.join(parent, "broken");
    cpSync(whole, broken, { recursive: true, preserveTimestamps: true });
    const list = readFileSync(path.join(broken, "data/ImageSets/Segmentation/val.txt"), "utf8").trim().split("\n");
    const image = readdirSync(path.join(broken, "data/JPEGImages")).find((name) => name.startsWith(list[0]!))!;
    truncateSync(path.join(broken, "data/JPEGImages", image), 20);
    const args = ["run", "toy-tiny", "--out", broken, ...SHORT];
    rmSync(path.join(broken, "predict"), { recursive: true });
    rmSync(path.join(broken, "refine"), { recursive: true });
    run(args);
    const refine = [main, "experiment", "refinement", "--runs", broken, "--json"];
    const { status, stdout, stderr } = spawnSync(process.execPath, refine, { cwd: parent, encoding: "utf8" });
    expect(status, stderr).toBe(0);
    expect(keysOf(stdout)).toEqual([...PLAIN, ...withMasks("regions")]);
    const made = path.join(parent, "experiments/refinement-broken");
    expect(
      readdirSync(path.join(made, "refine/regions/s0/csrm_regions/val")).filter((name) => name.endsWith(".png")),
    ).toHaveLength(2);
    expect(existsSync(path.join(made, `masks/regions/${list[0]}.json`))).toBe(false);
  });

  it("takes the start and the last row of an ablation's seeds, and makes the dense CRF that they lack", () => {
    const [runs, experiment] = [filesOf(...ALL), path.join(parent, "of-ablation")];
    const text = run(["experiment", "refinement", "--runs", out, "--out", experiment, "--no-regions", "--json"]);
    const { seeds, rows } = JSON.parse(text);
    expect([seeds, rows.map(({ key }: { key: string }) => key)]).toEqual([[0, 1], PLAIN]);
    expect(filesOf(...ALL)).toEqual(runs);
    const figure = (key: string) => rows.find((row: { key: string }) => row.key === key).figures.at(-1).values[1];
    const stored = (file: string) => JSON.parse(readFileSync(file, "utf8")).miou;
    expect(figure("csrm")).toBe(stored(path.join(out, "runs/m-s1/evaluate/val-csrm.json")));
    expect(figure("start_crf")).toBe(stored(path.join(experiment, "refine/crf/s1/evaluate/val-start_crf.json")));
  });

  it("names what a run lacks, and looks for masks before it trains", async () => {
    const row = path.join(out, "runs/m-s0");
    const { code, stderr } = await csrm("experiment", "refinement", "--runs", row, "--out", tables);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/m-s0 has no evaluation of start on .*--runs .*ablation takes/),
    ]);
    const neither = await csrm("experiment", "refinement");
    expect(neither.stderr).toContain("expected either a recipe or --runs");
    const elsewhere = path.join(parent, "nothing");
    for (const option of ["--sam-masks", "--sam-weights"]) {
      const args = ["refinement", "toy-tiny", "--out", elsewhere, option, path.join(parent, "gone")];
      expect((await csrm("experiment", ...args)).stderr).toMatch(new RegExp(`for ${option}, got ".*gone"`));
    }
    expect(existsSync(elsewhere)).toBe(false);
  });

  it("refuses options for training beside finished runs, and several processes", async () => {
    const elsewhere = path.join(parent, "untouched");
    const args = ["experiment", "refinement", "--runs", whole, "--out", elsewhere];
    for (const option of [["--dry-run"], ["--no-step"], ["--seeds", "0"], ["--set", "threads=1"]]) {
      const { code, stderr } = await csrm(...args, ...option);
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining(
          `--runs without options for training for the command line, got "${option[0]} beside it"`,
        ),
      ]);
    }
    vi.stubEnv("WORLD_SIZE", "2");
    vi.stubEnv("RANK", "1");
    onTestFinished(() => void vi.unstubAllEnvs());
    expect((await csrm(...args)).stderr).toContain("csrm experiment refinement works in one process");
    expect(existsSync(elsewhere)).toBe(false);
  });
});
