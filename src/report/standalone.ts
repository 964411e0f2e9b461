/** A chart of the report as a picture of its own: SVG with its colours inside, and PNG. */
import sharp from "sharp";
import { writeFileAtomic } from "../files.ts";
import { SERIES_COLOURS } from "./style.ts";

const STYLE = `
text { font: 11.5px "DejaVu Sans", "Liberation Sans", Arial, sans-serif; fill: #1d2026; }
.tick, .axis-label { fill: #6a6f78; }
.value { fill: #6a6f78; font-size: 10.5px; }
.grid { stroke: #e3dfd6; stroke-width: 1; }
.axis { stroke: #6a6f78; stroke-width: 1; opacity: .6; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.whisker { stroke-width: 1.2; opacity: .7; }
.line.faint { stroke-width: 1; opacity: .28; }
.dot { stroke: #ffffff; stroke-width: 1.5; }
.chip { stroke: #e3dfd6; stroke-width: 1; }
${SERIES_COLOURS.map((colour, i) => `.line.s${i} { stroke: ${colour}; } .dot.s${i}, .bar.s${i} { fill: ${colour}; }`).join("\n")}
`;

/** Pixels of the PNG to a unit of the chart. */
const PNG_SCALE = 2;
/** White around the chart. */
const MARGIN = 10;

/** @param chart an SVG element as the charts make it, with a viewBox that begins at 0 0 */
export function standaloneSvg(chart: string): string {
  const [viewBox, right, bottom] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(chart)!;
  const [width, height] = [right, bottom].map((side) => Number(side) + 2 * MARGIN);
  const size = `width="${width}" height="${height}"`;
  const at = chart.indexOf(">") + 1;
  const opening = chart
    .slice(0, at)
    .replace("<svg", `<svg xmlns="http://www.w3.org/2000/svg" ${size}`)
    .replace(viewBox, `viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}"`);
  const background = `<rect x="${-MARGIN}" y="${-MARGIN}" ${size} fill="#ffffff"/>`;
  return `${opening}<style>${STYLE}</style>${background}${chart.slice(at)}\n`;
}

/** Writes a chart as FILE.svg and FILE.png. @param file without an ending */
export async function writeChart(file: string, chart: string): Promise<void> {
  const svg = standaloneSvg(chart);
  await writeFileAtomic(`${file}.svg`, svg);
  await writeFileAtomic(
    `${file}.png`,
    await sharp(Buffer.from(svg), { density: 72 * PNG_SCALE })
      .png()
      .toBuffer(),
  );
}
