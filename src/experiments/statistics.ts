/** Mean and deviation over seeds. */

export interface Spread {
  /** Number of values. */
  n: number;
  mean: number;
  /** Sample standard deviation (÷ n − 1); null for a single value. */
  deviation: number | null;
}

/** @returns null where there is no value */
export function spread(values: readonly number[]): Spread | null {
  const n = values.length;
  if (n === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { n, mean, deviation: n > 1 ? Math.sqrt(squares / (n - 1)) : null };
}

/**
 * A fraction and its deviation in percent with one decimal: "47.1 ± 0.3", "47.1" for a single value.
 * @param signed with "+" before what is not negative
 */
export function spreadText({ mean, deviation }: Pick<Spread, "mean" | "deviation">, signed = false): string {
  // Rounded first: −0.0004 is "+0.0", not "-0.0".
  const value = Math.round(mean * 1000) / 10;
  const text = (value === 0 ? 0 : value).toFixed(1);
  return (signed && value >= 0 ? `+${text}` : text) + (deviation === null ? "" : ` ± ${(100 * deviation).toFixed(1)}`);
}
