/**
 * The grid image | activation map | pseudo-label | CRF | ground truth, as a section of the report and as one picture.
 */
import { decodeImage } from "../data/image.ts";
import type { RgbImage } from "../data/types.ts";
import type { LabelMap } from "../evaluation/confusion.ts";
import { imageFile } from "../evaluation/images.ts";
import { maskReader } from "../evaluation/masks.ts";
import { readCams, readLabels } from "../evaluation/predictions.ts";
import { resizeNearest } from "../evaluation/resize-nearest.ts";
import { classColour } from "./colours.ts";
import { html, type Markup, raw } from "./format.ts";
import { assertIds, chooseIds, type PictureColumn, type PictureSource, predictionFile } from "./picture-sources.ts";
import { dataUri, fitInside, jpegOf, overlayHeat, overlayLabels } from "./pictures.ts";

/** Longest side at which pictures are drawn, and at which they are embedded in the page. */
const DRAWN = 640;
const EMBEDDED = 320;

/** One list of images, ready to be shown. */
export interface Gallery {
  title: string;
  titles: string[];
  rows: { id: string; cells: (RgbImage | null)[] }[];
  /** Classes that occur, with their dataset ids. */
  legend: { id: number; name: string }[];
}

/**
 * Draws rows of a source; an image without a mask has an empty cell there.
 * @param which so many images, evenly spaced by name, or these
 * @param options.truthFirst ground truth beside the photograph instead of last
 */
export async function drawGallery(
  source: PictureSource,
  which: number | readonly string[],
  { truthFirst = false } = {},
): Promise<Gallery> {
  if (typeof which !== "number") assertIds(source, which);
  const seen = new Set<number>();
  const classes = source.masks?.classes;
  const reader = source.masks && maskReader(source.masks);
  const overlay = (image: RgbImage, labels: LabelMap) => {
    for (const id of labels.data) seen.add(id);
    return overlayLabels(image, resizeNearest(labels, image));
  };
  const prediction = async (image: RgbImage, column: PictureColumn, id: string) => {
    const file = predictionFile(column, id);
    return column.kind === "cams"
      ? await overlayHeat(image, await readCams(file))
      : overlay(image, await readLabels(file));
  };
  const truth = async (image: RgbImage, id: string) => {
    if (!reader?.has(id)) return null;
    const mask = await reader.read(id);
    return overlay(image, { ...mask, data: mask.data.map((index) => classes!.ids[index] ?? index) });
  };
  const rows: Gallery["rows"] = [];
  const arranged = <Cell>(image: Cell, predictions: Cell[], truths: Cell[]) =>
    truthFirst ? [image, ...truths, ...predictions] : [image, ...predictions, ...truths];
  for (const id of typeof which === "number" ? chooseIds(source, which) : which) {
    const image = await fitInside(await decodeImage(imageFile(source.images, id)!), DRAWN);
    const predictions = await Promise.all(source.columns.map((column) => prediction(image, column, id)));
    rows.push({ id, cells: arranged<RgbImage | null>(image, predictions, reader ? [await truth(image, id)] : []) });
  }
  const nameOf = (id: number) => classes?.names[classes.ids.indexOf(id)] ?? `class ${id}`;
  const legend = [...seen].filter((id) => id !== 0 && id !== 255).sort((a, b) => a - b);
  return {
    title: source.title,
    titles: arranged(
      "image",
      source.columns.map(({ title }) => title),
      reader ? ["ground truth"] : [],
    ),
    rows,
    legend: legend.map((id) => ({ id, name: nameOf(id) })),
  };
}

const HOW_CHOSEN =
  "Images evenly spaced over each list by name, not chosen by quality. Activation maps show the strongest class of each pixel.";

/** The section of pictures, all of them inside the page; nothing where there are none. @param note null: none */
export async function gallerySection(
  galleries: readonly Gallery[],
  note: string | null = HOW_CHOSEN,
): Promise<Markup | null> {
  const shown = galleries.filter(({ rows }) => rows.length > 0);
  if (shown.length === 0) return null;
  const blocks = await Promise.all(shown.map(gridOf));
  return html`<section><h2>Pictures</h2>
${note && html`<p class="note">${note}</p>`}${blocks}</section>`;
}

async function gridOf({ title, titles, rows, legend }: Gallery): Promise<Markup> {
  const cells = await Promise.all(
    rows.flatMap(({ id, cells }) =>
      cells.map(async (cell, i) => {
        if (!cell) return html`<div class="absent"></div>`;
        const source = raw(dataUri(await jpegOf(cell, EMBEDDED)));
        return html`<img loading="lazy" width="${cell.width}" height="${cell.height}" alt="${titles[i]!} of ${id}" title="${id}" src="${source}">`;
      }),
    ),
  );
  const chips = legend.map(
    ({ id, name }) => html`<span><i class="chip" style="background:${classColour(id)}"></i>${name}</span>`,
  );
  return html`<h3>${title}</h3><div class="legend-row">${chips}</div>
<div class="gallery" style="--columns:${titles.length}">${titles.map((text) => html`<b>${text}</b>`)}${cells}</div>`;
}
