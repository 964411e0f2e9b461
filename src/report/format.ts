/** How a report writes durations, numbers and markup. */
import { escapeXml } from "./svg.ts";

/** 3725 → "1 h 2 min", 75 → "1 min 15 s", 3.25 → "3.3 s". */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

/** Markup that `html` must not escape again. */
export interface Markup {
  readonly markup: string;
}

type Piece = Markup | string | number | null | false | undefined | readonly Piece[];

/**
 * A template for markup: values are escaped unless they are {@link Markup}; lists are joined; null, false and
 * undefined vanish.
 */
export function html(parts: TemplateStringsArray, ...values: readonly Piece[]): Markup {
  return { markup: parts.reduce((text, part, i) => text + textOf(values[i - 1]) + part) };
}

/** Takes text that is markup already, such as a chart. */
export function raw(markup: string): Markup {
  return { markup };
}

function textOf(piece: Piece): string {
  if (piece === null || piece === undefined || piece === false) return "";
  if (typeof piece === "string") return escapeXml(piece);
  if (typeof piece === "number") return String(piece);
  if ("markup" in piece) return piece.markup;
  return piece.map(textOf).join("");
}
