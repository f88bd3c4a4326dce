/** Seeded randomness, so that a failing property test can be run again. */

export interface Random {
  /** A number from 0 up to, not including, 1. */
  next(): number;
  /** A whole number from 0 up to, not including, `below`. */
  int(below: number): number;
  pick<T>(values: readonly T[]): T;
}

/** Mulberry32: small, fast, good enough for tests; the same seed gives the same numbers for ever. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (below: number): number => Math.floor(next() * below);
  return { next, int, pick: (values) => values[int(values.length)]! };
}

/** `bytes` cut into pieces of 1 to `largest` bytes. */
export function randomChunks(bytes: Uint8Array, random: Random, largest: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random.int(largest));
    chunks.push(bytes.slice(at, end));
    at = end;
  }
  return chunks;
}
