/** What is put side by side: runs, experiments and evaluations by their paths, several seeds of one thing under one name. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { CsrmError, expected } from "../errors.ts";
import { type Evaluation, readEvaluation } from "../evaluation/evaluation.ts";
import { readEvaluations, splitOf } from "../report/run-data.ts";
import { isTree, readYamlMapping } from "../training/config/layers.ts";
import { isExperiment, readExperiment } from "./experiment-folder.ts";
import { runFolder } from "./plan.ts";

/** One run, or one evaluation file. */
export interface Source {
  /** The folder or file. */
  path: string;
  evaluations: readonly Evaluation[];
  /** The run folder, from which paths in the evaluations start. */
  root: string;
  /** As the run's recipe says; null for evaluation files. */
  backbone: string | null;
}

/** Runs that differ by their seeds only. */
export interface Subject {
  label: string;
  sources: readonly Source[];
}

/**
 * Reads arguments, each PATH or LABEL=PATH: a run folder, the JSON file of an evaluation, or an experiment's folder, which stands for all
 * its rows. What is given the same label is taken for seeds of one thing; a path without one is called by its last part or, where that would
 * make two of them one, by all of it.
 * @param methods keep these methods only
 * @throws CsrmError naming a path that is none of these, or holds no evaluation (of these methods), and a list that seeds of one thing do
 *   not share
 */
export function subjectsOf(args: readonly string[], methods?: readonly string[]): Subject[] {
  const subjects = new Map<string, Source[]>();
  const paths = args.map(labelled);
  for (const each of paths) {
    const all = [...sourcesOf(each, paths)];
    const kept = all.map(({ label, source }) => {
      const evaluations = source.evaluations.filter(({ method }) => !methods || methods.includes(method ?? ""));
      return { label, source: { ...source, evaluations } };
    });
    // Not every row of an experiment has every method: a start has no csrm.
    const found = kept.filter(({ source }) => source.evaluations.length > 0);
    if (found.length === 0) throw noEvaluations(all[0]?.source, { where: each.where, methods });
    for (const { label, source } of found) subjects.set(label, [...(subjects.get(label) ?? []), source]);
  }
  for (const [label, sources] of subjects) assertSameLists(label, sources);
  return [...subjects].map(([label, sources]) => ({ label, sources }));
}

/** Whether two evaluations are of the same images, as far as their masks tell. */
export function areOfSameImages(a: Evaluation, b: Evaluation): boolean {
  return a.count === b.count && a.names.join("\n") === b.names.join("\n") && a.truth.join() === b.truth.join();
}

/** Figures of other images must not be averaged as seeds. */
function assertSameLists(label: string, sources: readonly Source[]): void {
  const first = new Map<string, { path: string; evaluation: Evaluation }>();
  for (const { path, evaluations } of sources) {
    for (const evaluation of evaluations) {
      const list = splitOf(evaluation);
      const before = first.get(list) ?? { path, evaluation };
      first.set(list, before);
      if (areOfSameImages(before.evaluation, evaluation)) continue;
      throw expected(
        "the same images and masks in all seeds of one thing",
        `${list} of ${label}`,
        `${before.evaluation.count} images in ${before.path}, ${evaluation.count} in ${path}`,
        "give what was measured on other data another LABEL=",
      );
    }
  }
}

interface Labelled {
  where: string;
  /** null: none was given. */
  label: string | null;
}

function labelled(arg: string): Labelled {
  // A path may hold "=" itself.
  const equals = existsSync(arg) ? -1 : arg.indexOf("=");
  return { where: arg.slice(equals + 1), label: equals < 0 ? null : arg.slice(0, equals).trim() };
}

/** What a path without a label is called. */
function nameAmong({ where }: Labelled, all: readonly Labelled[]): string {
  const last = (file: string) => path.basename(path.resolve(file), ".json");
  const same = all.filter((other) => other.label === null && last(other.where) === last(where));
  return same.length > 1 ? where : last(where);
}

function* sourcesOf(each: Labelled, all: readonly Labelled[]): Generator<{ label: string; source: Source }> {
  const { where, label } = each;
  const stats = statSync(where, { throwIfNoEntry: false });
  if (!stats)
    throw expected(
      "a run folder, an experiment's folder or an evaluation's JSON file",
      "a path",
      where,
      "no such file",
    );
  if (stats.isFile()) yield { label: label ?? nameAmong(each, all), source: fileSource(where) };
  else if (isExperiment(where)) {
    const unnamed = all.filter((other) => other.label === null && isExperiment(other.where));
    yield* rowsOf(where, label ?? (unnamed.length > 1 ? nameAmong(each, all) : null));
  } else yield { label: label ?? nameAmong(each, all), source: runSource(where) };
}

/** The runs of an experiment that are done, called by their rows. */
function* rowsOf(folder: string, given: string | null): Generator<{ label: string; source: Source }> {
  const { rows, seeds } = readExperiment(folder);
  for (const [key, label] of [["start", "start"], ...Object.entries(rows)] as const) {
    for (const seed of seeds) {
      const run = runFolder(folder, key, seed);
      if (!existsSync(path.join(run, "summary.json"))) continue;
      yield { label: given === null ? label : `${given}: ${label}`, source: runSource(run) };
    }
  }
}

/** RUN/evaluate/*.json and files that csrm evaluate wrote anywhere; the paths in the latter are absolute. */
function fileSource(file: string): Source {
  const root = path.dirname(path.dirname(path.resolve(file)));
  return { path: file, root, evaluations: [readEvaluation(file)], backbone: null };
}

function runSource(folder: string): Source {
  const config = path.join(folder, "config.yaml");
  const model = existsSync(config) ? readYamlMapping(config).model : undefined;
  const backbone = isTree(model) && typeof model.backbone === "string" ? model.backbone : null;
  return { path: folder, root: folder, evaluations: readEvaluations(path.join(folder, "evaluate")), backbone };
}

function noEvaluations(
  source: Source | undefined,
  { where: given, methods }: { where: string; methods?: readonly string[] },
): CsrmError {
  const { path: where, evaluations } = source ?? { path: given, evaluations: [] };
  const there = evaluations.map(({ method, split }) => `${method} on ${split}`).join(", ");
  const wanted = methods ? ` of ${methods.join(", ")}` : "";
  return new CsrmError(
    `${where} holds no evaluation${wanted}${there ? `; there are ${there}` : "; csrm run and csrm evaluate --out make some"}`,
    { code: "data" },
  );
}

/** Evaluations of one method on one list, one a source that has it. */
export interface Measured {
  /** E.g. "runs/a: CSRM + dCRF". */
  name: string;
  subject: Subject;
  method: string | null;
  evaluations: readonly Evaluation[];
}

/** Everything that subjects measured, one entry a subject and method, in their order. */
export function measuredBy(subjects: readonly Subject[], nameOf: (evaluation: Evaluation) => string): Measured[] {
  return subjects.flatMap((subject) => {
    const all = subject.sources.flatMap(({ evaluations }) => evaluations);
    const names = [...new Set(all.map(nameOf))];
    return names.map((title) => {
      const evaluations = all.filter((each) => nameOf(each) === title);
      // A subject with a single thing to show needs no second name.
      const name = names.length === 1 && subjects.length > 1 ? subject.label : `${subject.label}: ${title}`;
      return { name, subject, method: evaluations[0]!.method, evaluations };
    });
  });
}
