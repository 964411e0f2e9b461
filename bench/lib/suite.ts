/** The results of one run of the suite: their file, and the part of docs/benchmarks.md that they become. */
import { readFile } from "node:fs/promises";
import { CsrmError } from "../../src/errors.ts";
import { type Machine, machineText } from "./machine.ts";
import type { Result } from "./result.ts";
import { sectionMarkdown } from "./table.ts";

export interface Suite {
  kind: "csrm benchmarks";
  command: string;
  /** When it began, ISO 8601. */
  date: string;
  device: string;
  machine: Machine;
  /** Load of the machine before the first and after the last benchmark. */
  load: { before: number; after: number };
  seconds: number;
  results: Record<string, Result>;
  /** Benchmarks that failed, with their message. */
  failed: Record<string, string>;
}

/** Reads the file of a run, or of scripts/gpu-check.sh, which holds one. @throws CsrmError when it is neither */
export async function readSuite(file: string): Promise<Suite> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new CsrmError(`${file} cannot be read as JSON: ${error}`, { code: "file", cause: error });
  }
  const inside = (content as { suite?: unknown } | null)?.suite ?? content;
  if ((inside as Suite | null)?.kind === "csrm benchmarks") return inside as Suite;
  throw new CsrmError(`${file} holds no benchmarks; npm run bench -- --json FILE writes such a file`, { code: "data" });
}

/** What runs when no benchmark is named, in this order. */
export const SUITE = ["operator", "networks", "step", "crf", "loader", "predict"];

/** Every section in its order, as Markdown, after where and how it was measured, and what was not. */
export function suiteMarkdown({ command, date, machine, load, seconds, results }: Suite): string {
  const sections = Object.values(results).flatMap((result) => result.sections);
  const missing = SUITE.filter((name) => !Object.hasOwn(results, name));
  const head = [
    `    ${command}`,
    "",
    ...(missing.length > 0 ? [`Not measured in this run: ${missing.join(", ")}.`, ""] : []),
    `${machineText(machine)}. ${date.slice(0, 10)}; ${(seconds / 60).toFixed(1)} minutes; load of the machine ` +
      `${load.before.toFixed(2)} before and ${load.after.toFixed(2)} after. Values are medians (least … most).`,
  ];
  return [head.join("\n"), ...sections.map(sectionMarkdown)].join("\n\n");
}
