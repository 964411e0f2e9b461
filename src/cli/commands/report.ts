/** `csrm report`: one HTML file that shows a run, also while it is still running. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { CsrmError, expected } from "../../errors.ts";
import { buildReport } from "../../report/build.ts";
import { lockFolder, type RunLock } from "../../run-lock.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";
import { requireFile } from "../paths.ts";

export interface ReportCommandOptions {
  out?: string;
  rows?: string;
  picture?: string;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  csrm report runs/demo
  csrm report runs/demo --rows 12 --out /tmp/demo.html
  csrm report runs/demo --rows 3 --picture docs/demo.jpg

The file holds everything it shows, so it can be sent around; stages that are missing are left out. While a run is at work, RUN/report.html is
its own page, which renews itself: --out FILE writes one with pictures beside it. After a run that was killed, this command writes the page that
no longer says that it is at work.`;

export function register(program: Command): void {
  program
    .command("report")
    .argument("<run>", "the run folder")
    .description("Writes RUN/report.html: key numbers, curves, classes, threshold sweeps and pictures of a run.")
    .option("--out <file>", "where to write it (default: report.html in the run folder)")
    .option("--rows <n>", "rows of pictures a list of images (default: 6)")
    .option("--picture <file>", "also write the pictures as one .png or .jpg file")
    .option(...JSON_OPTION)
    .addHelpText("after", EXAMPLES)
    .action(async (run: string, options: ReportCommandOptions) => {
      const report = await writeReport(run, options);
      if (options.json) printJson({ report, picture: options.picture ?? null });
      else print(`report  ${report}${options.picture === undefined ? "" : `\npicture ${options.picture}`}`);
    });
}

/** Writes the report as the command's options say. @returns its path */
export async function writeReport(run: string, options: ReportCommandOptions): Promise<string> {
  const rows = options.rows === undefined ? undefined : Number(options.rows);
  if (rows !== undefined && !(Number.isInteger(rows) && rows >= 0)) {
    throw expected("a whole number of rows", "--rows", options.rows);
  }
  if (options.out !== undefined) requireFile(options.out, ".html");
  const lock = resolve(options.out ?? join(run, PAGE)) === resolve(run, PAGE) ? lockOf(run) : null;
  try {
    return await buildReport({ runDir: run, out: options.out, rows, pictureFile: options.picture });
  } finally {
    lock?.release();
  }
}

/** What a run at work writes and renews. */
const PAGE = "report.html";

/** A still page over the one that follows a run would end the following, so nobody may be at work. @returns null where there is no folder */
function lockOf(run: string): RunLock | null {
  if (!statSync(run, { throwIfNoEntry: false })?.isDirectory()) return null;
  try {
    return lockFolder(run, () => {});
  } catch (error) {
    if (!(error instanceof CsrmError) || error.code !== "locked") throw error;
    const instead = `${join(run, PAGE)} follows it meanwhile, and --out FILE writes a page with pictures elsewhere`;
    throw new CsrmError(error.message.replace("wait for it or choose another --out", instead), {
      code: "locked",
      cause: error,
    });
  }
}
