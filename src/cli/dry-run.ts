/** --dry-run of run, pretrain and train: shows what a recipe would do, and says by its exit code whether it can. */
import type { Command } from "commander";
import { CsrmError, expected, messageOf } from "../errors.ts";
import { type DryRun, dryRun, gib } from "../pipeline/dry-run.ts";
import { type VerifyDryRun, verifyDryRun } from "../pipeline/verify-dry-run.ts";
import { duration } from "../progress.ts";
import { dumpRecipe, loadRecipe, type Recipe } from "../training/config.ts";
import type { Plan } from "../training/plan.ts";
import { withToyRoot } from "../training/recipe-data.ts";
import { requireDevice } from "./device.ts";
import { print, printJson } from "./output.ts";
import type { RunOptions } from "./run-options.ts";

export interface DryRunFlags {
  dryRun?: boolean;
  /** false: --no-step */
  step: boolean;
}

export function withDryRun(command: Command): Command {
  return command
    .option(
      "--dry-run",
      "do nothing, but show the recipe with every value, parameters, steps and memory, and try a step on random images; exit code 1 when something is missing",
    )
    .option("--no-step", "with --dry-run: no step on random images");
}

/** Whether the flags ask for a dry run. @throws CsrmError for --no-step without one, where it would mean nothing */
export function wantsDryRun({ dryRun, step }: DryRunFlags): boolean {
  if (dryRun || step) return dryRun === true;
  throw expected("--dry-run beside --no-step", "the command line", "none");
}

export interface DryRunShown {
  training: "start" | "csrm";
  /** Whether the masks of the scored lists are needed as well. */
  scored: boolean;
}

export async function showDryRun(
  name: string,
  options: Pick<RunOptions, "set" | "json" | "out"> & DryRunFlags,
  shown: DryRunShown,
): Promise<void> {
  const recipe = withToyRoot(loadRecipe(name, { set: options.set }), options.out ?? "runs");
  const result = await dryRun(recipe, { ...shown, step: options.step, problems: deviceProblems(recipe.device) });
  if (options.json) printJson(result);
  else print(asText(result, options.step));
  if (result.problems.length > 0) process.exitCode = 1;
}

/** What is wrong with a device, as a list of at most one problem. */
export function deviceProblems(device: string): string[] {
  try {
    requireDevice(device);
    return [];
  } catch (error) {
    if (!(error instanceof CsrmError)) throw error;
    return [messageOf(error)];
  }
}

function asText({ recipe, network, data, plan, memory, step, problems }: DryRun, wanted: boolean): string {
  const count = (value: number) => value.toLocaleString("en");
  const groups = Object.entries(network.groups).map(([group, values]) => `${words(group)} ${count(values)}`);
  const parts = Object.entries(memory).filter(([part]) => part !== "total");
  const lines: [string, string][] = [
    ["network", `${network.backbone}, ${count(network.classes)} classes, ${count(network.parameters)} parameters`],
    ["", `${count(network.trainable)} learn: ${groups.join(", ")}`],
    ["data", data ? `${count(data.images)} images, ${count(data.tagged)} of them with tags` : "not there"],
    ["steps", plan ? stepsText(plan) : "depends on the data"],
    ["memory", `about ${gib(memory.total)} on ${recipe.device}`],
    ["", parts.map(([part, bytes]) => `${part} ${gib(bytes)}`).join(", ")],
  ];
  if (step) {
    const losses = Object.entries(step.losses).map(([loss, value]) => `${loss} ${value.toFixed(3)}`);
    const all = plan ? `; ${count(plan.steps)} would take ${duration(step.seconds * plan.steps)}` : "";
    lines.push(["one step", `${duration(step.seconds)} on random images${all}`], ["", losses.join(", ")]);
    if (step.peak_bytes !== null) lines.push(["", `the process took ${gib(step.peak_bytes)} at most`]);
  } else lines.push(["one step", wanted ? "not tried, see below" : "not tried"]);
  lines.push(...problems.map((problem): [string, string] => ["PROBLEM", problem]));
  return asLines(recipe, lines);
}

/** The same for `csrm verify`. */
export async function showVerifyDryRun(
  name: string,
  options: Pick<RunOptions, "set" | "json"> & DryRunFlags & { out: string; labels?: string },
): Promise<void> {
  const recipe = withToyRoot(loadRecipe(name, { set: options.set }), options.out);
  const { out, labels, step } = options;
  const result = await verifyDryRun(recipe, { out, labels, step, problems: deviceProblems(recipe.device) });
  if (options.json) printJson(result);
  else print(verifyText(result, step));
  if (result.problems.length > 0) process.exitCode = 1;
}

function verifyText({ recipe, network, images, labels, steps, step, problems }: VerifyDryRun, wanted: boolean): string {
  const count = (value: number) => value.toLocaleString("en");
  const learn = network && `${count(network.parameters)} parameters, ${count(network.trainable)} of them learn`;
  const lines: [string, string][] = [
    ["network", network ? `${network.name} on ${network.backbone}, ${learn}` : "cannot be built, see below"],
    ["data", images === null ? "not there" : `${count(images)} images, label maps ${labels ?? "of the run"}`],
    ["steps", steps === null ? "depends on the data" : count(steps)],
  ];
  if (step) {
    const all = steps === null ? "" : `; ${count(steps)} would take ${duration(step.seconds * steps)}`;
    lines.push(["one step", `${duration(step.seconds)} on random images, loss ${step.loss.toFixed(3)}${all}`]);
    if (step.peak_bytes !== null) lines.push(["", `the process took ${gib(step.peak_bytes)} at most`]);
  } else lines.push(["one step", wanted ? "not tried, see below" : "not tried"]);
  return asLines(recipe, [...lines, ...problems.map((problem): [string, string] => ["PROBLEM", problem])]);
}

function asLines(recipe: Recipe, lines: readonly [string, string][]): string {
  return `${dumpRecipe(recipe)}\n${lines.map(([label, text]) => `${label.padEnd(10)}${text}`).join("\n")}`;
}

function stepsText({ steps, warmup }: Plan): string {
  const all = steps.toLocaleString("en");
  return warmup > 0 ? `${all}, the first ${warmup.toLocaleString("en")} of them warm-up` : all;
}

/** "scratchWeights" → "scratch weights" */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
