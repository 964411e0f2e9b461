/**
 * The parts that charts are made of: elements, scales, ticks. Colours come from the page's style sheet through class
 * names.
 */

/** Text with the five characters that mean something to XML escaped. */
export function escapeXml(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => names[character]!);
}

/**
 * One element; numbers in attributes are cut to two decimals, undefined attributes left out. `content` is markup, not
 * text.
 */
export function element(
  name: string,
  attributes: Record<string, string | number | undefined>,
  content: string | readonly string[] = "",
): string {
  const inside = typeof content === "string" ? content : content.join("");
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? short(value) : escapeXml(String(value))}"`)
    .join("");
  return inside === "" ? `<${name}${written}/>` : `<${name}${written}>${inside}</${name}>`;
}

/** A line of text; give `attributes` an x, y and class. */
export function label(text: string, attributes: Record<string, string | number | undefined>): string {
  return element("text", attributes, escapeXml(text));
}

/** A number with at most two decimals. */
export function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Maps [from, to] of the data to [start, end] of the drawing. */
export function linearScale(domain: readonly [number, number], range: readonly [number, number]) {
  const span = domain[1] - domain[0];
  return (value: number) =>
    span === 0 ? (range[0] + range[1]) / 2 : range[0] + ((value - domain[0]) / span) * (range[1] - range[0]);
}

/** Round numbers (1, 2, 2.5 or 5 times a power of ten apart) that cover [low, high], about `count` of them. */
export function niceTicks(low: number, high: number, count: number): number[] {
  if (!(high > low)) {
    const around = Math.abs(low) / 2 || 1;
    return niceTicks(low - around, low + around, count);
  }
  const rough = (high - low) / Math.max(1, count - 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  // Cut to 12 digits, so that 3 · 0.1 becomes 0.3.
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** 12000 → "12k", 0.00005 → "5e-5", 0.35 → "0.35". */
export function tickText(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${short(value / 1e6)}M`;
  if (size >= 1e4) return `${short(value / 1e3)}k`;
  if (size > 0 && size < 1e-3) return value.toExponential(1).replace(".0e", "e");
  return String(Number(value.toPrecision(4)));
}

/** Width that a text will about take at the charts' font size, in the widest of the usual fonts. */
export function textWidth(text: string): number {
  return 6.9 * text.length + 1.6 * text.replace(/[^A-Z]/g, "").length;
}

/** Places names of a legend in rows no wider than `width`; `mark` is the space before each name. */
export function legendRows(
  names: readonly string[],
  width: number,
  mark: number,
): { name: string; x: number; row: number }[] {
  let [x, row] = [0, 0];
  return names.map((name) => {
    const size = mark + textWidth(name) + 12;
    if (x > 0 && x + size > width) [x, row] = [0, row + 1];
    const place = { name, x, row };
    x += size;
    return place;
  });
}
