/** The files of experiments that only look at runs: tables, figures and pictures in a folder. */
import path from "node:path";
import { renderMarkdown } from "../evaluation/table.ts";
import { writeFileAtomic } from "../files.ts";
import { html } from "../report/format.ts";
import { type Gallery, gallerySection } from "../report/gallery.ts";
import { composeGrid } from "../report/grid.ts";
import { htmlDocument } from "../report/page.ts";
import { type Comparison, comparisonChart, comparisonCsv, comparisonMarkdown } from "./compare.ts";
import { type Thresholds, thresholdChart, thresholdCsv, thresholdTable } from "./threshold.ts";
import { writeView } from "./view.ts";

/** @returns the paths of table.md, table.csv, figure.svg and figure.png */
export function writeThresholds(out: string, thresholds: Thresholds): Promise<string[]> {
  const text = [
    `# Mean IoU over the threshold, ${thresholds.split}`,
    "Mean IoU in percent, background included; where there are several seeds, mean ± sample standard deviation. * marks the best.",
    renderMarkdown(thresholdTable(thresholds)),
    "![figure](figure.png)",
    "",
  ].join("\n\n");
  return writeView(out, { text, csv: thresholdCsv(thresholds), chart: thresholdChart(thresholds) });
}

/** @returns the paths of table.md, table.csv, figure.svg and figure.png */
export function writeComparison(out: string, comparison: Comparison): Promise<string[]> {
  const text = comparisonMarkdown(comparison);
  return writeView(out, { text, csv: comparisonCsv(comparison), chart: comparisonChart(comparison) });
}

/** @returns the paths of pictures.png and pictures.html */
export async function writePictures(out: string, gallery: Gallery): Promise<string[]> {
  const [png, page] = ["pictures.png", "pictures.html"].map((name) => path.join(out, name));
  const { titles, rows, legend } = gallery;
  await writeFileAtomic(
    png!,
    await composeGrid({ titles, rows: rows.map(({ cells }) => cells), cellWidth: 240 }, "png"),
  );
  const title = `Pictures of ${gallery.title}`;
  const sections = [html`<header><h1>${title}</h1></header>`, await gallerySection([gallery], null)];
  await writeFileAtomic(page!, htmlDocument({ title, classes: legend.map(({ id }) => id), sections }));
  return [png!, page!];
}
