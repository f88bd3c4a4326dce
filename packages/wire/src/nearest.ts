/** The names a user may have meant. */

/**
 * The candidates closest to `word`, best first, at most `limit`. Close means few edits for the word's length, or that
 * one contains the other (`gpt-5.5` in `openai.gpt-5.5`). Case does not count.
 */
export function nearest(word: string, candidates: Iterable<string>, limit = 3): string[] {
  const wanted = word.toLowerCase().slice(0, 200);
  const scored: { name: string; distance: number }[] = [];
  for (const name of candidates) {
    const candidate = name.toLowerCase();
    const contained = wanted !== "" && (candidate.includes(wanted) || wanted.includes(candidate));
    const distance = editDistance(wanted, candidate);
    const close = distance <= Math.max(2, Math.floor(wanted.length / 3));
    if (contained || close) scored.push({ name, distance: contained ? Math.min(distance, 1) : distance });
  }
  scored.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return scored.slice(0, limit).map(({ name }) => name);
}

/** Levenshtein's distance, in one row. */
function editDistance(a: string, b: string): number {
  const row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    let diagonal = row[0]!;
    row[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const substituted = diagonal + (a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1);
      diagonal = row[j]!;
      row[j] = Math.min(substituted, diagonal + 1, row[j - 1]! + 1);
    }
  }
  return row[b.length]!;
}
