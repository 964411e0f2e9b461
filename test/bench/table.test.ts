import { describe, expect, it } from "vitest";
import type { Section } from "../../bench/lib/result.ts";
import { cellsOf, duration, sectionMarkdown, sectionText, significant, spread } from "../../bench/lib/table.ts";
import { timingOf } from "../../bench/measure.ts";

describe("numbers", () => {
  it("have the unit that suits them, and three digits that count", () => {
    const shown = [12.345, 1, 0.99951, 0.0456, 0.001, 0.0000078912].map(duration);
    expect(shown).toEqual(["12.3 s", "1.00 s", "1.00 s", "45.6 ms", "1.00 ms", "7.89 µs"]);
    expect([1234.5, 12.34, 0, 0.01234, 0.000123].map(significant)).toEqual(["1230", "12.3", "0", "0.0123", "0.0001"]);
  });

  it("come with the least and the most where there were several runs", () => {
    expect(spread(timingOf([1, 3, 2]), String)).toBe("2 (1 … 3)");
    expect(spread(timingOf([2]), String)).toBe("2");
  });
});

const section: Section = {
  title: "Adding",
  unit: "seconds",
  peer: "Python",
  rows: [
    { what: "a | b", value: timingOf([2e-6]), peer: timingOf([1e-6]), ratio: timingOf([2]), more: { goal: "≤ 3" } },
    { what: "c", value: timingOf([0.5]), peer: "not installed: apt-get …" },
  ],
  notes: ["A note."],
};

describe("a section", () => {
  it("has a column for everything that a row holds, and none that is empty", () => {
    expect(cellsOf(section)).toEqual([
      ["", "csrm", "Python", "csrm ÷ peer, time", "goal"],
      ["a | b", "2.00 µs", "1.00 µs", "2.00", "≤ 3"],
      ["c", "500 ms", "not installed: apt-get …", "", ""],
    ]);
    const alone: Section = { ...section, rows: [{ what: "c", value: timingOf([1.5]) }], unit: "times" };
    expect(cellsOf(alone)).toEqual([
      ["", "csrm"],
      ["c", "1.50"],
    ]);
  });

  it("becomes a Markdown table whose cells keep their bars", () => {
    expect(sectionMarkdown(section)).toBe(
      [
        "### Adding",
        "",
        "|  | csrm | Python | csrm ÷ peer, time | goal |",
        "|---|---|---|---|---|",
        "| a \\| b | 2.00 µs | 1.00 µs | 2.00 | ≤ 3 |",
        "| c | 500 ms | not installed: apt-get … |  |  |",
        "",
        "A note.",
      ].join("\n"),
    );
  });

  it("is aligned as text", () => {
    const [title, header, first] = sectionText(section).split("\n");
    expect(title).toBe("Adding");
    expect(first!.indexOf("2.00 µs")).toBe(header!.indexOf("csrm"));
  });

  it("shows small ratios with the digits they need", () => {
    const ratios = [0.00523, 0.0152, 1.234].map((ratio) => ({
      what: "",
      value: timingOf([1]),
      ratio: timingOf([ratio]),
    }));
    expect(cellsOf({ ...section, rows: ratios }).map((row) => row.at(-1))).toEqual([
      "csrm ÷ peer, time",
      "0.0052",
      "0.015",
      "1.23",
    ]);
  });
});
