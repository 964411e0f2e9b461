/** Checkpoints: one safetensors file with every tensor and all other state of a run, written whole or not at all. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { CsrmError, messageOf } from "../errors.ts";
import { linkFileSync, removeTemporaries } from "../files.ts";
import type { ModelInfo } from "../models/model-file.ts";
import { loadTensors, saveTensors, type Tensor } from "../torch/index.ts";

/** Everything a stage needs to go on as if it had never stopped. */
export interface CheckpointContent {
  /** Named groups of tensors: student, teacher, optimizer, bank, random, … */
  tensors: Record<string, ReadonlyMap<string, Tensor>>;
  /** Plain JSON: sampler positions, random streams, counters. */
  state: Record<string, unknown>;
}

export interface SavedCheckpoint {
  step: number;
  tensors: Record<string, Map<string, Tensor>>;
  state: Record<string, unknown>;
}

const METADATA_KEY = "csrm_checkpoint";
const LAST = "last.safetensors";

export class CheckpointFolder {
  readonly folder: string;
  readonly stage: string;
  readonly keep: number;

  /** @param keep how many older step-N files stay beside the last */
  constructor({ folder, stage, keep = 0 }: { folder: string; stage: string; keep?: number }) {
    this.folder = folder;
    this.stage = stage;
    this.keep = keep;
  }

  get last(): string {
    return path.join(this.folder, LAST);
  }

  /** Writes last.safetensors and, where older ones are kept, step-N.safetensors. @param step optimiser steps done */
  save(step: number, { tensors, state }: CheckpointContent): void {
    const all = new Map<string, Tensor>();
    for (const [group, members] of Object.entries(tensors)) {
      for (const [name, tensor] of members) all.set(`${group}/${name}`, tensor);
    }
    const metadata = { [METADATA_KEY]: JSON.stringify({ stage: this.stage, step, state }) };
    const named = path.join(this.folder, `step-${step}.safetensors`);
    if (this.keep > 0) saveTensors(named, all, metadata);
    if (this.keep === 0 || !linkFileSync(named, this.last)) saveTensors(this.last, all, metadata);
    // The newest of the numbered files is the last one under another name.
    for (const old of this.steps().slice(0, this.keep > 0 ? -(this.keep + 1) : undefined)) {
      rmSync(path.join(this.folder, `step-${old}.safetensors`), { force: true });
    }
  }

  /** The steps whose numbered files are left after `steps` steps with one saved every `every`, ascending; none without `keep`. */
  kept(steps: number, every: number): number[] {
    const all = Array.from({ length: Math.floor(steps / every) }, (_, i) => (i + 1) * every);
    if (steps % every !== 0) all.push(steps);
    return this.keep > 0 ? all.slice(-(this.keep + 1)) : [];
  }

  /**
   * The newest checkpoint, or null where the stage has not saved one yet. Clears away what a killed process left half written.
   * @throws CsrmError for a damaged file or one of something else, saying how the stage can go on
   */
  load(): SavedCheckpoint | null {
    removeTemporaries(this.folder);
    if (!existsSync(this.last)) return null;
    try {
      return readCheckpoint(this.last, this.stage);
    } catch (error) {
      throw new CsrmError(`${messageOf(error)}; ${this.mend()}`, { code: "weights", cause: error });
    }
  }

  /** What to do about an unusable last checkpoint. The newest numbered file may be the same file, so each is tried. */
  private mend(): string {
    for (const step of this.steps().reverse()) {
      const file = path.join(this.folder, `step-${step}.safetensors`);
      try {
        disposeAll(readCheckpoint(file, this.stage));
        return `copy ${file} over it to go on from step ${step}`;
      } catch {
        // as unusable as the last
      }
    }
    return "delete it to begin the stage anew";
  }

  /** Steps of the numbered checkpoints that are there, ascending. */
  steps(): number[] {
    if (!existsSync(this.folder)) return [];
    return readdirSync(this.folder)
      .flatMap((name) => /^step-(\d+)\.safetensors$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }
}

/**
 * Classes are numbered by a table, often the sorted tags: after a change of it the same row of the network means another class.
 * @throws CsrmError (code "config") when the table now is not that of the checkpoint, listing what differs
 */
export function assertSameClasses(then: unknown, now: ModelInfo["classes"]): void {
  const described = ({ ids, names }: ModelInfo["classes"]) => names.map((name, k) => `${ids[k]} ${name}`);
  const [before, after] = [described(then as ModelInfo["classes"]), described(now)];
  if (before.join("\n") === after.join("\n")) return;
  const only = (a: string[], b: string[]) => a.filter((each) => !b.includes(each)).join(", ") || "none";
  throw new CsrmError(
    `the classes have changed since this training began: there were ${only(before, after)}, now there are ${only(after, before)}; ` +
      "put tags or class table right, or say --fresh to begin anew",
    { code: "config" },
  );
}

/** Frees a checkpoint's tensors. */
export function disposeAll({ tensors }: SavedCheckpoint): void {
  for (const group of Object.values(tensors)) for (const tensor of group.values()) tensor.dispose();
}

/** @throws CsrmError when the file is missing, damaged, no checkpoint, or one of another stage */
export function readCheckpoint(file: string, stage: string): SavedCheckpoint {
  const { tensors: flat, metadata } = loadTensors(file);
  const text = metadata[METADATA_KEY];
  const header = text === undefined ? undefined : (JSON.parse(text) as { stage: string; step: number; state: object });
  if (header?.stage !== stage) {
    for (const tensor of flat.values()) tensor.dispose();
    const got = header ? `one of ${header.stage}` : "a file without a checkpoint's description";
    throw new CsrmError(`expected a checkpoint of ${stage} in ${file}, got ${got}`, { code: "weights" });
  }
  const tensors: Record<string, Map<string, Tensor>> = {};
  for (const [key, tensor] of flat) {
    const slash = key.indexOf("/");
    const group = key.slice(0, slash);
    tensors[group] ??= new Map();
    tensors[group].set(key.slice(slash + 1), tensor);
  }
  return { step: header.step, tensors, state: { ...header.state } };
}
