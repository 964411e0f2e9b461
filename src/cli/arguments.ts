/** Numbers and lists on the command line, checked when they are read. */
import { InvalidArgumentError } from "commander";

export interface Range {
  /** Default −∞. */
  least?: number;
  /** Default ∞. */
  most?: number;
  /** The ends themselves are not allowed. */
  open?: boolean;
  /** Whole numbers only. */
  whole?: boolean;
}

/** Reads a number of a range. */
export function numberIn({ least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY, open, whole }: Range) {
  return (text: string): number => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    const inside = open ? value > least && value < most : value >= least && value <= most;
    if (inside && Number.isFinite(value) && (!whole || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(`Expected a ${whole ? "whole " : ""}number ${rangeText({ least, most, open })}.`);
  };
}

/** Reads numbers separated by commas; brackets around them, as help and recipes show them, are welcome. */
export function numbersIn(range: Range) {
  const one = numberIn(range);
  return (text: string): number[] =>
    text
      .replace(/^\s*\[(.*)\]\s*$/, "$1")
      .split(",")
      .map(one);
}

/** Reads words separated by commas. */
export function wordsIn(text: string): string[] {
  return text.split(",").map((word) => word.trim());
}

function rangeText({ least, most, open }: Required<Pick<Range, "least" | "most">> & Range): string {
  const [below, above] = open ? ["above", "below"] : ["of at least", "of at most"];
  const ends = [Number.isFinite(least) ? `${below} ${least}` : "", Number.isFinite(most) ? `${above} ${most}` : ""];
  return ends.filter((end) => end !== "").join(" and ");
}
