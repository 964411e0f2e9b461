/** What a benchmark of the suite hands over: sections of rows, each a value, what it is held against, and their ratio. */
import { print, type Timing } from "../measure.ts";
import { sectionText } from "./table.ts";

export interface Row {
  what: string;
  /** csrm's own number, in the section's unit. */
  value: Timing;
  /** The peer's number, measured in turn with it; text says why there is none. */
  peer?: Timing | string;
  /** Time of csrm ÷ time of the peer, by round: below 1, csrm is the faster. */
  ratio?: Timing;
  /** Further columns by title. */
  more?: Record<string, string>;
}

export interface Section {
  title: string;
  unit: "seconds" | "per second" | "times";
  /** What the rows are held against. */
  peer?: string;
  rows: Row[];
  notes?: string[];
}

export interface Result {
  benchmark: string;
  sections: Section[];
  /** Seconds since 1970 between which the timed rounds lay, for whoever watches the machine meanwhile. */
  timed?: { from: number; to: number };
  /** What programs want to know beside the tables. */
  [detail: string]: unknown;
}

/** Prints a result as text, or hands it to bench/main.ts. */
export function report(result: Result): void {
  print(result, result.sections.map(sectionText).join("\n\n"));
}
