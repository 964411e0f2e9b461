/** `csrm weights fetch`: published weights, by name, into the cache. */
import type { Command } from "commander";
import { throwIfInterrupted } from "../interrupt.ts";
import { fetchWeights, officialWeights, officialWeightsOf, weightsCache } from "../models/official-weights.ts";
import { createProgress, type Task } from "../progress.ts";
import { interruptible } from "./interruptible.ts";
import { JSON_OPTION, print, printJson } from "./output.ts";

interface FetchCommandOptions {
  mirror?: string;
  offline?: boolean;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  csrm weights fetch                    which there are, and their licences
  csrm run --images photos --tags tags.csv --weights $(csrm weights fetch mobilenet_v2) --out runs/mine

Files go to $CSRM_CACHE/weights, else ~/.cache/csrm/weights. A stopped download goes on where it was.`;

export function registerFetch(weights: Command): void {
  weights
    .command("fetch")
    .description(
      "Downloads published weights, checks them, and prints the path of the file. Without a name: lists them.",
    )
    .argument("[name]", "e.g. resnest101")
    .option("--mirror <url>", "folder of a server that has the files under the publishers' names")
    .option("--offline", "download nothing: print the path, or say what to put where")
    .option(...JSON_OPTION)
    .addHelpText("after", EXAMPLES)
    .action(async (name: string | undefined, options: FetchCommandOptions) => {
      if (name !== undefined) await fetchByName(name, options);
      else if (options.json) printJson({ folder: weightsCache(), weights: officialWeights });
      else list();
    });
}

function list(): void {
  const width = Math.max(...officialWeights.map(({ name }) => name.length));
  const rows = officialWeights.map(
    ({ name, about, licence }) => `${name.padEnd(width)}  ${licence.padEnd(12)}  ${about}`,
  );
  print([...rows, "", `fetched into ${weightsCache()}`].join("\n"));
}

async function fetchByName(name: string, { mirror, offline, json }: FetchCommandOptions): Promise<void> {
  const weights = officialWeightsOf(name);
  const progress = createProgress();
  let bar: Task | undefined;
  const megabytes = (bytes: number) => Math.floor(bytes / 2 ** 20);
  const onProgress = (done: number, total: number | null) => {
    bar ??= progress.task({
      ...{ label: name, initial: megabytes(done), unit: "MB" },
      total: total === null ? megabytes(done) : megabytes(total),
    });
    bar.update(megabytes(done));
    throwIfInterrupted();
  };
  const work = () => fetchWeights(weights, { mirror, offline, onProgress, note: progress.note });
  const { file, fetched } = await interruptible(work).finally(() => bar?.finish());
  if (fetched) progress.note(`${weights.about}; licence: ${weights.licence}`);
  if (json) printJson({ file, fetched, ...weights });
  else print(file);
}
