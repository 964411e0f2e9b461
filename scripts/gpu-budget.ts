/** What gpu-check.ts decides and says without a GPU: its command line, how much time each part may take, what a step means. */
import { parseArgs } from "node:util";
import { deviceName } from "../src/cli/device.ts";
import { expected } from "../src/errors.ts";
import type { Usage } from "./gpu-watch.ts";

export interface CheckOptions {
  file: string;
  quick: boolean;
  device: string;
  /** Seconds for everything, the build included; null: as long as it takes. */
  budget: number | null;
  /** Seconds that were spent before. */
  spent: number;
}

/** Seconds of --quick. */
export const QUICK_BUDGET = 480;

/** @throws when an option is unknown or no number where one is wanted */
export function parseCheck(args: readonly string[]): CheckOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      budget: { type: "string" },
      device: { type: "string", default: "cuda" },
      spent: { type: "string", default: "0" },
    },
    allowPositionals: true,
  });
  const { quick } = values;
  const budget = values.budget === undefined ? (quick ? QUICK_BUDGET : null) : seconds("--budget", values.budget);
  const file = positionals[0] ?? "gpu-check.json";
  return { file, quick, device: deviceName(values.device), budget, spent: seconds("--spent", values.spent) };
}

function seconds(name: string, text: string): number {
  const value = Number(text);
  if (text !== "" && Number.isFinite(value) && value >= 0) return value;
  throw expected("a number of seconds", name, text);
}

/**
 * Seconds a part may take: what is left of the budget, but no more than `most`, so that one that hangs leaves time for the others.
 * @param least seconds below which it is not worth beginning
 * @returns null when that is more than is left
 */
export function allowance(
  budget: number | null,
  { spent, least, most }: { spent: number; least: number; most: number },
): number | null {
  if (budget === null) return Number.POSITIVE_INFINITY;
  return budget - spent < least ? null : Math.min(budget - spent, most);
}

/** Images of Pascal VOC's train_aug, of which a step takes `labelled`. */
const VOC_IMAGES = 10_582;

/** Seconds of an epoch of VOC's train_aug at so many seconds a step. */
export function epochSeconds(step: number, labelled: number): number {
  return (VOC_IMAGES / labelled) * step;
}

/** What stands below a step's table. */
export function stepNote(epoch: number, usage: Usage | null): string {
  const minutes = `${Math.floor(epoch / 60)}:${String(Math.floor(epoch % 60)).padStart(2, "0")}`;
  const busy = usage
    ? ` The GPU was busy for ${usage.utilisation} % of the timed rounds, and ${(usage.memory_mib / 1024).toFixed(1)} GiB of it were in use.`
    : "";
  return `An epoch of VOC's train_aug takes ${minutes} minutes of such steps.${busy}`;
}
