import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { type EvaluateOptions, evaluatePredictions } from "../../src/evaluation/evaluate.ts";
import { encodeIndexedPng } from "../../src/formats/indexed-png.ts";
import { writeNpz } from "../../src/formats/npz.ts";
import { buildReport, type ReportOptions } from "../../src/report/build.ts";
import { expectWellFormed } from "./markup.ts";

const CLASSES = { ids: [0, 8, 12], names: ["background", "cat", "dog"] };
const IDS = ["a", "b", "c"];
const all = mkdtempSync(join(tmpdir(), "csrm-report-"));
let run = "";
let count = 0;

beforeEach(() => {
  run = join(all, `run-${count++}`);
  mkdirSync(run);
});
afterAll(() => rmSync(all, { recursive: true, force: true }));

function save(path: string, data: string | Uint8Array): void {
  mkdirSync(dirname(join(run, path)), { recursive: true });
  writeFileSync(join(run, path), data);
}

const build = async (options: Partial<ReportOptions> = {}) =>
  readFileSync(await buildReport({ runDir: run, ...options }), "utf8");

function saveRun(): void {
  save("config.yaml", 'name: "cats <&> dogs"\nseed: 7\nmodel:\n  backbone: mobilenet_v2\n');
  const cpu = { model: "Fast Chip", cores: 2 };
  const git = "0123456789abcdef0123456789abcdef01234567+";
  save(
    "environment.json",
    JSON.stringify({ started: "2025-03-01T10:20:30Z", seed: 7, cpu, git, libtorch: "2.1 (/opt/x)" }),
  );
  save("summary.json", JSON.stringify({ seconds: 3725 }));
  const records = Array.from({ length: 40 }, (_, i) => ({
    step: i,
    time: i,
    losses: { total: 40 - i, s2c: 1 },
    lr: 0.1,
  }));
  save("train/metrics.jsonl", records.map((record) => `${JSON.stringify(record)}\n`).join(""));
}

async function savePictures(): Promise<void> {
  const labels = (...data: number[]) => encodeIndexedPng({ width: 4, height: 2, data: Uint8Array.from(data) });
  for (const id of IDS) {
    const pixels = { create: { width: 4, height: 2, channels: 3 as const, background: "#7799bb" } };
    save(`photos/${id}.jpg`, await sharp(pixels).jpeg().toBuffer());
    save(`masks/${id}.png`, labels(0, 8, 8, 255, 0, 8, 12, 12));
    save(`predict/val/pseudo-crf/${id}.png`, labels(0, 8, 8, 8, 0, 0, 12, 12));
    const keys = { data: BigInt64Array.of(0n, 8n), shape: [2] };
    const cam = { data: Float32Array.of(0, 0.9, 0.8, 0.3, 0, 0.4, 0.1, 0), shape: [1, 2, 4] };
    save(`predict/val/cams/${id}.npz`, writeNpz({ keys, cam }));
  }
}

async function saveEvaluation(name: string, options: Partial<EvaluateOptions>): Promise<void> {
  const folders = { predictions: join(run, "predict/val"), masks: join(run, "masks"), images: join(run, "photos") };
  const evaluation = await evaluatePredictions({ ids: IDS, classes: CLASSES, split: "val", ...folders, ...options });
  save(`evaluate/${name}.json`, JSON.stringify(evaluation));
}

describe("a report", () => {
  it("shows facts, key numbers, curves, classes, sweeps and pictures of a whole run", async () => {
    saveRun();
    await savePictures();
    await saveEvaluation("b-crf", {
      predictions: join(run, "predict/val/pseudo-crf"),
      method: "csrm_crf",
      label: "CSRM + dCRF",
      crf: true,
    });
    await saveEvaluation("a-start", {
      method: "start",
      label: "Start CAM",
      threshold: 0.5,
      thresholdFrom: "best on train",
    });
    save("evaluate/done.json", JSON.stringify({ stage: "evaluate", results: {} }));
    const page = await build({ pictureFile: join(run, "grid.png") });

    const elements = expectWellFormed(page);
    expect(page).toContain("<h1>cats &lt;&amp;&gt; dogs</h1>");
    for (const fact of [
      "2025-03-01 10:20",
      "1 h 2 min",
      "0123456789 with changes",
      "Fast Chip, 2 cores",
      "mobilenet_v2",
      "<dd>2.1</dd>",
    ]) {
      expect(page).toContain(fact);
    }
    for (const title of ["Key numbers", "Pictures", "Evaluation", "Classes", "Threshold sweep", "CSRM training"]) {
      expect(page).toContain(`<h2>${title}</h2>`);
    }
    // Three images in the columns image, start CAM, CRF, ground truth.
    expect(elements.filter((name) => name === "img")).toHaveLength(12);
    expect(page).toContain("--columns:4");
    expect(page.indexOf("<b>Start CAM</b>")).toBeLessThan(page.indexOf("<b>CSRM + dCRF</b>"));
    expect(page).toMatch(/class="gain" title="against Start CAM">× \d\.\d\d</);
    expect(page).toContain("threshold 0.5, best on train");
    expect((await sharp(join(run, "grid.png")).metadata()).width).toBe(4 * 205 + 5);
  });

  it("asks the network for nothing", async () => {
    saveRun();
    await savePictures();
    await saveEvaluation("start", { method: "start" });
    const page = await build();
    const addresses = [...page.matchAll(/(?:src|href)="([^"]{0,24})/g)].map((match) => match[1]!);
    expect(addresses.length).toBeGreaterThan(0);
    expect(addresses.filter((address) => !address.startsWith("data:image/jpeg;base64,"))).toEqual([]);
    const rest = page.replaceAll(/data:image\/jpeg;base64,[A-Za-z0-9+/=]+/g, "");
    expect(rest.match(/https?:|\/\/[a-z]|<script|<link|@import|url\(/i)).toBeNull();
    expect(page).toContain("default-src &#39;none&#39;");
  });

  it("of a run that has only begun leaves out what is not there", async () => {
    saveRun();
    rmSync(join(run, "summary.json"));
    appendFileSync(join(run, "train/metrics.jsonl"), '{"step":40,"lo');
    const page = await build();
    expectWellFormed(page);
    expect(page).toContain("<h2>CSRM training</h2>");
    expect(page).toContain("39 s");
    for (const title of ["Key numbers", "Pictures", "Evaluation", "Threshold sweep"])
      expect(page).not.toContain(`<h2>${title}</h2>`);
  });

  it("shows predictions that nothing was compared with, as of one's own photographs", async () => {
    saveRun();
    await savePictures();
    save("config.yaml", `name: own\ndata:\n  root: ${JSON.stringify(join(run, "photos"))}\n`);
    const page = await build({ rows: 2 });
    expect(expectWellFormed(page).filter((name) => name === "img")).toHaveLength(2 * 3);
    expect(page).toContain("<h3>val</h3>");
    expect(page).toContain("<b>activation</b><b>refined</b>");
    expect(page).not.toContain("ground truth");
  });

  it("takes key numbers from summary.json where there are no evaluations", async () => {
    saveRun();
    save("summary.json", JSON.stringify({ seconds: 10, start: { miou: 0.4 }, csrm: { miou: 0.512 } }));
    expect(await build()).toMatch(/<b>csrm<\/b><strong>51\.2<\/strong>/);
  });

  it("leaves the cell of a missing mask empty", async () => {
    saveRun();
    await savePictures();
    await saveEvaluation("start", { method: "start" });
    rmSync(join(run, "masks/b.png"));
    const page = await build();
    expect(page.match(/class="absent"/g)).toHaveLength(1);
  });

  it("names what is broken", async () => {
    await expect(buildReport({ runDir: join(all, "nowhere") })).rejects.toThrow(
      /a run folder for report, got .*nowhere/,
    );
    await expect(build()).rejects.toThrow(/config\.yaml/);
    saveRun();
    save("train/metrics.jsonl", '{"step":1}\nbroken\n{"step":2}\n');
    await expect(build()).rejects.toThrow(/train\/metrics\.jsonl:2/);
    saveRun();
    save("evaluate/x.json", '{"miou": 1}');
    await expect(build()).rejects.toThrow(/evaluate\/x\.json/);
    save("evaluate/x.json", "{");
    await expect(build()).rejects.toThrow(/evaluate\/x\.json as an evaluation/);
    rmSync(join(run, "evaluate/x.json"));
    await expect(build({ pictureFile: join(run, "x.gif") })).rejects.toThrow(".png or .jpg file");
    await expect(build({ pictureFile: join(run, "x.png") })).rejects.toThrow("no predictions with images");
  });
});
