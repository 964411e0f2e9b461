/** What every experiment leaves in its folder: table.md, table.csv, figure.svg and figure.png. */
import path from "node:path";
import { writeFileAtomic } from "../files.ts";
import { encodeCsv } from "../formats/csv.ts";
import { writeChart } from "../report/standalone.ts";

export interface View {
  /** Markdown. */
  text: string;
  csv: (string | number)[][];
  /** An SVG element as the charts make it. */
  chart: string;
}

/** @returns the paths of the files */
export async function writeView(out: string, { text, csv, chart }: View): Promise<string[]> {
  const [markdown, table, figure] = ["table.md", "table.csv", "figure"].map((name) => path.join(out, name));
  await writeFileAtomic(markdown!, text);
  await writeFileAtomic(table!, encodeCsv(csv));
  await writeChart(figure!, chart);
  return [markdown!, table!, `${figure}.svg`, `${figure}.png`];
}
