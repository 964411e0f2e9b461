import { describe, expect, it } from "vitest";
import { parseCsv } from "../../src/formats/csv.ts";

const cells = (text: string) => parseCsv(text, "t.csv").map((row) => row.cells);

describe("parseCsv", () => {
  it("splits rows at LF, CRLF or CR and ignores a byte order mark, blank lines and a missing last line break", () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      expect(cells(`\uFEFFa,b${end}${end}1,${end}2, x `)).toEqual([
        ["a", "b"],
        ["1", ""],
        ["2", " x "],
      ]);
    }
    expect(cells("")).toEqual([]);
    expect(cells("\n\n")).toEqual([]);
  });

  it("reads quoted cells with commas, quotes and line breaks, and counts lines through them", () => {
    const rows = parseCsv('"a,b","say ""hi""","two\r\nlines"\n"",x\n', "t.csv");
    expect(rows).toEqual([
      { line: 1, cells: ["a,b", 'say "hi"', "two\r\nlines"] },
      { line: 3, cells: ["", "x"] },
    ]);
  });

  it("keeps quotes inside plain cells, and an empty last cell", () => {
    expect(cells('5" disk,\n')).toEqual([['5" disk', ""]]);
    expect(cells("a,\n,b")).toEqual([
      ["a", ""],
      ["", "b"],
    ]);
    expect(cells("a,")).toEqual([["a", ""]]);
  });

  it("names the file and the line of a quote that is never closed or wrongly placed", () => {
    expect(() => cells('a\n"b,c\nd')).toThrow("t.csv, line 2: a quoted cell is never closed");
    expect(() => cells('a\n"b" c,d')).toThrow("t.csv, line 2: text follows a closing quote");
  });
});
