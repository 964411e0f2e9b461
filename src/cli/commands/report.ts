/** `csrm report`: one HTML file that shows a run, also while it is still running. */
import type { Command } from "commander";
import { expected } from "../../errors.ts";
import { buildReport } from "../../report/build.ts";
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

The file holds everything it shows, so it can be sent around. A run may still be at work: stages that are missing are left out.`;

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
  return await buildReport({ runDir: run, out: options.out, rows, pictureFile: options.picture });
}
