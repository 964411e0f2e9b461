/** Everything a report is made of, read from a run folder; stages that have not run yet are simply absent. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { CsrmError, expected, messageOf } from "../errors.ts";
import { type Evaluation, readEvaluation } from "../evaluation/evaluation.ts";
import { readTextSync } from "../files.ts";
import { stageNames } from "../run-stage.ts";
import { type MetricsLog, readMetricsLog } from "./metrics-log.ts";

export type Json = Record<string, unknown>;

/** A stage that has written metrics. */
export interface StageLog {
  name: string;
  log: MetricsLog;
}

export interface RunData {
  dir: string;
  /** config.yaml, parsed and as text. */
  config: Json;
  configText: string;
  /** environment.json and summary.json; empty where absent. */
  environment: Json;
  summary: Json;
  stages: StageLog[];
  /** evaluate/*.json: starting points first, verification last, without CRF before with it, activation maps before labels. */
  evaluations: Evaluation[];
}

/** Marks a finished stage; the one file in evaluate/ that is no evaluation. */
const STAGE_DONE = "done.json";

/**
 * Reads a run folder.
 * @throws CsrmError when it is no folder or holds none of a run's files; or naming a file that is damaged
 */
export function readRun(dir: string): RunData {
  if (!existsSync(dir) || !statSync(dir).isDirectory()) throw expected("a run folder", "report", dir, "no such folder");
  const text = (name: string) => (existsSync(join(dir, name)) ? readTextSync(join(dir, name)) : "");
  const configText = text("config.yaml");
  const stages = stageNames
    .filter((name) => existsSync(join(dir, name, "metrics.jsonl")))
    .map((name) => ({
      name,
      log: readMetricsLog(join(dir, name, "metrics.jsonl")),
    }));
  const run = {
    dir,
    configText,
    config: object(join(dir, "config.yaml"), configText, parse),
    environment: object(join(dir, "environment.json"), text("environment.json"), JSON.parse),
    summary: object(join(dir, "summary.json"), text("summary.json"), JSON.parse),
    stages,
    evaluations: readEvaluations(join(dir, "evaluate")),
  };
  if (configText === "" && stages.length === 0 && run.evaluations.length === 0) {
    throw expected("a run folder with config.yaml, a stage's metrics.jsonl or evaluate/*.json", "report", dir);
  }
  return run;
}

function object(file: string, text: string, parser: (text: string) => unknown): Json {
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = parser(text);
  } catch (error) {
    throw new CsrmError(`cannot read ${file}: ${messageOf(error)}`, { code: "data", cause: error });
  }
  if (!isObject(value)) throw expected("an object", file, value);
  return value;
}

/** Every evaluation of a folder evaluate/; none where it is absent. @throws CsrmError naming a file that is damaged */
export function readEvaluations(dir: string): Evaluation[] {
  if (!existsSync(dir)) return [];
  const files = readdirSync(dir).filter((name) => name.endsWith(".json") && name !== STAGE_DONE);
  const evaluations = files.sort().map((name) => readEvaluation(join(dir, name)));
  // Sorting is stable: files of one rank stay in the order of their names.
  return evaluations.sort((a, b) => rank(a) - rank(b));
}

function rank({ method, crf, kind }: Evaluation): number {
  const subject = isStart(method) ? 0 : method?.startsWith("verify") ? 2 : 1;
  return subject * 4 + (crf ? 2 : 0) + (kind === "labels" ? 1 : 0);
}

/** Whether a method is the classifier that CSRM starts from. */
export function isStart(method: string | null): boolean {
  return method?.startsWith("start") ?? false;
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Evaluations by split, "train" lists before the others. */
export function bySplit(evaluations: readonly Evaluation[]): [string, Evaluation[]][] {
  const groups = new Map<string, Evaluation[]>();
  for (const evaluation of evaluations) {
    const split = splitOf(evaluation);
    groups.set(split, [...(groups.get(split) ?? []), evaluation]);
  }
  return [...groups].sort(([a], [b]) => compareSplits(a, b));
}

/** The name of an evaluation's list. */
export function splitOf({ split }: Pick<Evaluation, "split">): string {
  return split ?? "all images";
}

/** Lists of training images first, then by name. */
export function compareSplits(a: string, b: string): number {
  const late = (split: string) => (split.includes("train") ? 0 : 1);
  return late(a) - late(b) || a.localeCompare(b);
}

/**
 * One evaluation of each sort (starting point, CSRM or verification, activation maps or labels, with CRF or without), so
 * that pictures and bars stay few; of
 * several the one with test-time augmentation, else the first.
 */
export function oneOfEachSort(list: readonly Evaluation[]): Evaluation[] {
  const chosen = new Map<number, Evaluation>();
  for (const evaluation of list) {
    const before = chosen.get(rank(evaluation));
    if (!before || (!isAugmented(before) && isAugmented(evaluation))) chosen.set(rank(evaluation), evaluation);
  }
  return [...chosen.values()];
}

function isAugmented({ tta }: Evaluation): boolean {
  return tta !== null && tta !== "none";
}
