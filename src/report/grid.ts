/** Rows of pictures with column titles, put together into one image for documents. */
import sharp from "sharp";
import type { RgbImage } from "../data/types.ts";
import { rawSharp } from "./pictures.ts";
import { escapeXml } from "./svg.ts";

export interface Grid {
  /** One title a column. */
  titles: readonly string[];
  /** One entry a column; null leaves the cell empty. */
  rows: readonly (readonly (RgbImage | null)[])[];
  /** Width of a cell in pixels (default 200). */
  cellWidth?: number;
}

/** Height of the tallest cells: those of upright photographs are made narrower to fit. */
const TALLEST = 1.25;

/**
 * Draws the grid on white; a row is as high as its tallest cell.
 * @returns encoded bytes
 */
export async function composeGrid(grid: Grid, format: "png" | "jpeg"): Promise<Uint8Array> {
  const { titles, rows, cellWidth = 200 } = grid;
  const gap = Math.max(4, Math.round(cellWidth / 40));
  const titleHeight = Math.round(cellWidth / 8);
  const width = titles.length * (cellWidth + gap) + gap;
  const centreOf = (column: number) => gap + column * (cellWidth + gap) + cellWidth / 2;
  const cells: { input: Buffer; left: number; top: number }[] = [];
  let top = titleHeight;
  for (const row of rows) {
    const sizes = row.map((cell) => cell && fitted(cell, cellWidth));
    const height = Math.max(1, ...sizes.map((size) => size?.height ?? 0));
    for (const [column, cell] of row.entries()) {
      const size = sizes[column];
      if (!cell || !size) continue;
      const input = await rawSharp(cell).resize(size.width, size.height, { fit: "fill" }).png().toBuffer();
      const left = Math.round(centreOf(column) - size.width / 2);
      cells.push({ input, left, top: top + Math.floor((height - size.height) / 2) });
    }
    top += height + gap;
  }
  const header = titleStrip({ titles, centreOf, width, height: titleHeight });
  const sheet = sharp({ create: { width, height: top, channels: 3, background: "#ffffff" } }).composite([
    { input: header, left: 0, top: 0 },
    ...cells,
  ]);
  return await (format === "png" ? sheet.png() : sheet.jpeg({ quality: 88, mozjpeg: true })).toBuffer();
}

function fitted({ width, height }: RgbImage, cellWidth: number): { width: number; height: number } {
  const scale = Math.min(cellWidth / width, (cellWidth * TALLEST) / height);
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

interface TitleStrip {
  titles: readonly string[];
  centreOf: (column: number) => number;
  width: number;
  height: number;
}

function titleStrip({ titles, centreOf, width, height }: TitleStrip): Buffer {
  const style = `font-family="DejaVu Sans, Liberation Sans, sans-serif" font-size="${Math.round(height * 0.52)}" fill="#222"`;
  const texts = titles.map(
    (title, column) =>
      `<text x="${centreOf(column)}" y="${height * 0.68}" text-anchor="middle">${escapeXml(title)}</text>`,
  );
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><g ${style}>${texts.join("")}</g></svg>`,
  );
}
