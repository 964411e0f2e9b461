/** Suggestions for misspelt names in error messages. */

/**
 * The candidate nearest to a word, or null when none is near enough to be a likely misspelling.
 * Near means an edit distance (insertion, deletion, substitution, swap of neighbours) of at most a third of the
 * longer word, at least one; upper and lower case, "-" and "_" count as equal. Of equally near candidates the first wins.
 */
export function didYouMean(word: string, candidates: Iterable<string>): string | null {
  const given = fold(word);
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const other = fold(candidate);
    const limit = Math.max(1, Math.floor(Math.max(given.length, other.length) / 3));
    if (Math.abs(given.length - other.length) > limit) continue;
    const distance = editDistance(given, other);
    if (distance <= limit && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** The suggestion as the end of a message: `; did you mean "dog"?`, or an empty string when there is none. */
export function suggestion(word: string, candidates: Iterable<string>): string {
  const near = didYouMean(word, candidates);
  return near === null ? "" : `; did you mean "${near}"?`;
}

function fold(text: string): string {
  return text.toLowerCase().replaceAll("-", "_");
}

/** Optimal string alignment distance, by three rolling rows. */
function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, older[j - 2]! + 1);
      current.push(least);
    }
    older = previous;
    previous = current;
  }
  return previous[b.length]!;
}
