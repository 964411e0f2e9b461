/** Comma-separated values as spreadsheets write them: quoted cells, CRLF or LF, an optional byte order mark. */

import { CsrmError } from "../errors.ts";

/** Rows as a CSV text with LF; a cell is quoted where it holds a comma, a quote or a line break. */
export function encodeCsv(rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number) => {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/** One row and the line (from 1) on which it begins: quoted cells may hold line breaks. */
export interface CsvRow {
  line: number;
  cells: string[];
}

/**
 * Splits a CSV text into rows. Blank lines are left out; cells are not trimmed; `""` inside quotes is one quote.
 * @param name the file's name, for messages
 * @throws CsrmError (code "data") with the line of an unclosed quote or of text after a closing quote
 */
export function parseCsv(text: string, name: string): CsvRow[] {
  const rows: CsvRow[] = [];
  let line = 1;
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  while (at < text.length) {
    const row: CsvRow = { line, cells: [] };
    for (;;) {
      const cell = text[at] === '"' ? quotedCell(text, at, { name, line }) : plainCell(text, at);
      row.cells.push(cell.value);
      line += cell.lineBreaks;
      at = cell.end;
      if (text[at] !== ",") break;
      at++;
    }
    if (text[at] === "\r") at++;
    if (text[at] === "\n") at++;
    line++;
    if (row.cells.length > 1 || row.cells[0] !== "") rows.push(row);
  }
  return rows;
}

interface Cell {
  value: string;
  /** Where the cell stops: at a comma, a line break or the end of the text. */
  end: number;
  lineBreaks: number;
}

function plainCell(text: string, start: number): Cell {
  let end = start;
  while (end < text.length && !",\r\n".includes(text[end]!)) end++;
  return { value: text.slice(start, end), end, lineBreaks: 0 };
}

function quotedCell(text: string, start: number, where: { name: string; line: number }): Cell {
  const { name, line } = where;
  let value = "";
  for (let from = start + 1; ; ) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw new CsrmError(`${name}, line ${line}: a quoted cell is never closed`, { code: "data" });
    value += text.slice(from, quote);
    if (text[quote + 1] !== '"') {
      const lineBreaks = value.split("\n").length - 1;
      if (quote + 1 < text.length && !",\r\n".includes(text[quote + 1]!)) {
        const message = `${name}, line ${line + lineBreaks}: text follows a closing quote; write " inside quotes as ""`;
        throw new CsrmError(message, { code: "data" });
      }
      return { value, end: quote + 1, lineBreaks };
    }
    value += '"';
    from = quote + 2;
  }
}
