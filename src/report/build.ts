/** Builds report.html, one file that holds everything it shows, and optionally its pictures as a file of their own. */
import { extname, join } from "node:path";
import { expected } from "../errors.ts";
import { writeFileAtomic, writeFileAtomicSync } from "../files.ts";
import { stageSection } from "./curves.ts";
import type { Markup } from "./format.ts";
import { drawGallery, type Gallery, gallerySection } from "./gallery.ts";
import { composeGrid } from "./grid.ts";
import { keyNumbers } from "./key-numbers.ts";
import { type LiveState, liveSection } from "./live.ts";
import { footer, header, page, recipeSection } from "./page.ts";
import { type PictureSource, pictureSources } from "./picture-sources.ts";
import { resultsSection } from "./results.ts";
import { type RunData, readRun } from "./run-data.ts";

export interface ReportOptions {
  /** The run folder. */
  runDir: string;
  /** Where to write (default RUN/report.html). */
  out?: string;
  /** Rows of pictures a list (default 6). */
  rows?: number;
  /** What to show pictures of; default: what the evaluations name, else what lies in predict/ and refine/. */
  sources?: readonly PictureSource[];
  /** Also write all pictures as one .png or .jpg file. */
  pictureFile?: string;
}

/**
 * Reads a run folder, finished or not, and writes its report.
 * @returns the path of the report
 * @throws CsrmError when the folder is no run, naming a damaged file in it, or when a file cannot be written
 */
export async function buildReport(options: ReportOptions): Promise<string> {
  const { runDir, out = join(runDir, "report.html"), rows = 6 } = options;
  const run = readRun(runDir);
  const sources = options.sources ?? pictureSources(run);
  const galleries: Gallery[] = [];
  for (const source of sources) galleries.push(await drawGallery(source, rows));
  const top = [keyNumbers(run), await gallerySection(galleries)];
  await writeFileAtomic(out, page(run, sectionsOf(run, top)));
  if (options.pictureFile !== undefined) await writePictures(options.pictureFile, galleries);
  return out;
}

/**
 * Writes RUN/report.html while the run is at work: it says how far it is and renews itself. Without pictures, and at once: between two
 * training steps there is no time for others to finish a write.
 * @throws CsrmError as buildReport
 */
export function writeLiveReport(runDir: string, live: LiveState): void {
  const run = readRun(runDir);
  writeFileAtomicSync(
    join(runDir, "report.html"),
    page(run, sectionsOf(run, [liveSection(live), keyNumbers(run)]), live),
  );
}

/** Everything on the page; `top` comes below the head. */
function sectionsOf(run: RunData, top: readonly (Markup | null)[]): (Markup | null)[] {
  return [header(run), ...top, resultsSection(run), ...run.stages.map(stageSection), recipeSection(run), footer()];
}

async function writePictures(file: string, galleries: readonly Gallery[]): Promise<void> {
  const extension = extname(file).toLowerCase();
  const format = extension === ".png" ? "png" : [".jpg", ".jpeg"].includes(extension) ? "jpeg" : null;
  if (format === null) throw expected("a .png or .jpg file", "--picture", file);
  const titles = galleries[0]?.titles ?? [];
  const rows = galleries
    .filter((gallery) => gallery.titles.join() === titles.join())
    .flatMap((gallery) => gallery.rows);
  if (rows.length === 0)
    throw expected("pictures to write", "--picture", file, "this run has no predictions with images");
  await writeFileAtomic(file, await composeGrid({ titles, rows: rows.map(({ cells }) => cells) }, format));
}
