/**
 * Finds where a hunk belongs. Four passes, each more forgiving: exact; trailing whitespace ignored; both sides
 * trimmed; Unicode punctuation folded to ASCII. Forward from the last hunk, then from the file's start.
 * A fuzzy pass never chooses between places: only a scope or a line number may. Pure.
 */

import { type Hunk, type HunkLine, invalidPatch } from "./types.ts";

const PUNCTUATION: [RegExp, string][] = [
  [/[\u2010-\u2015\u2212]/g, "-"],
  [/[\u2018-\u201b]/g, "'"],
  [/[\u201c-\u201f]/g, '"'],
  [/[\u00a0\u2002-\u200a\u202f\u205f\u3000]/g, " "],
  [/\u2026/g, "..."],
];
const NOT_ASCII = /[^\x00-\x7f]/;
const fold = (text: string) =>
  PUNCTUATION.reduce((folded, [from, to]) => folded.replace(from, to), text.trim());
const PASSES: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => text.trimEnd(),
  (text) => text.trim(),
  (text) => (NOT_ASCII.test(text) ? fold(text) : text.trim()),
];

/** The texts of a file under each pass, and which of its lines earlier hunks removed. */
export class Searched {
  readonly #passes: (readonly string[] | undefined)[];
  readonly #removed = new Set<number>();
  /** Below the last hunk's place. */
  next = 0;
  /** How far the last hunk was from where its line number said. */
  drift = 0;

  constructor(texts: readonly string[]) {
    this.#passes = [texts];
  }

  get length(): number {
    return this.#passes[0]!.length;
  }
  texts(pass: number): readonly string[] {
    this.#passes[pass] ??= this.#passes[0]!.map(PASSES[pass]!);
    return this.#passes[pass];
  }
  remove(index: number): void {
    this.#removed.add(index);
  }
  /** Places at or below `from` where `wanted` stands untouched, top down. */
  places(wanted: readonly string[], pass: number, from: number, limit = Number.POSITIVE_INFINITY): number[] {
    const found: number[] = [];
    for (const at of occurrences(this.texts(pass), wanted.map(PASSES[pass]!), from)) {
      if (this.#removed.size > 0 && wanted.some((_, i) => this.#removed.has(at + i))) continue;
      if (found.push(at) >= limit) break;
    }
    return found;
  }
}

/** Knuth, Morris and Pratt: linear, so that hostile repetition costs nothing. */
function* occurrences(lines: readonly string[], wanted: readonly string[], from: number): Generator<number> {
  const fail = new Int32Array(wanted.length);
  for (let i = 1, k = 0; i < wanted.length; i++) {
    while (k > 0 && wanted[i] !== wanted[k]) k = fail[k - 1]!;
    if (wanted[i] === wanted[k]) k++;
    fail[i] = k;
  }
  for (let i = from, k = 0; i < lines.length; i++) {
    while (k > 0 && lines[i] !== wanted[k]) k = fail[k - 1]!;
    if (lines[i] === wanted[k]) k++;
    if (k === wanted.length) {
      yield i - k + 1;
      k = fail[k - 1]!;
    }
  }
}

/**
 * The index of the file line where the hunk's old lines start, or where its lines are inserted.
 * `old` holds the hunk's lines but the added ones. Throws `invalid_patch` naming the candidates or the nearest miss.
 */
export function findPlace(file: Searched, hunk: Hunk, old: readonly HunkLine[], path: string): number {
  if (old.length === 0) return insertionPlace(file, hunk, path);
  const wanted = old.map((line) => line.text);
  return (
    search(file, hunk, wanted, path) ??
    unscopedPlace(file, hunk, wanted) ??
    pastEnd(file, old, wanted) ??
    fail(file, hunk, old, path)
  );
}

function search(file: Searched, hunk: Hunk, wanted: readonly string[], path: string): number | undefined {
  const from = hunk.above === undefined ? searchFrom : nearestTo;
  return from(file, hunk, wanted, file.next, path) ?? from(file, hunk, wanted, 0, path);
}

function searchFrom(file: Searched, hunk: Hunk, wanted: readonly string[], from: number, path: string) {
  const scope = findScopes(file, hunk, from);
  if (scope === undefined) return undefined;
  const start = scope.at ?? from;
  for (let pass = 0; pass < PASSES.length; pass++) {
    if (hunk.atEnd) {
      const last = Math.max(start, file.length - wanted.length);
      const [found] = file.places(wanted, pass, last, 1);
      if (found !== undefined) return found;
    }
    const [first, second] = file.places(wanted, pass, start, 2);
    if (first === undefined) continue;
    if (scope.at !== undefined) return first === scope.at && second === first + 1 ? second : first;
    if (second !== undefined && (pass > 0 || hunk.atEnd))
      throw ambiguous(file, hunk, wanted, pass, start, path);
    return first;
  }
  return undefined;
}

/** By the line number of a unified diff, corrected by how far the hunk above had moved. */
function nearestTo(file: Searched, hunk: Hunk, wanted: readonly string[], from: number, path: string) {
  const expected = hunk.above! + file.drift;
  for (let pass = 0; pass < PASSES.length; pass++) {
    let [best, distance, tied] = [-1, Number.POSITIVE_INFINITY, false];
    for (const at of file.places(wanted, pass, from)) {
      const away = Math.abs(at - expected);
      if (away > distance) break;
      tied = away === distance;
      if (!tied) [best, distance] = [at, away];
    }
    if (best < 0) continue;
    if (tied && pass > 0) throw ambiguous(file, hunk, wanted, pass, from, path);
    file.drift = best - hunk.above!;
    return best;
  }
  return undefined;
}

/** A scope that is nowhere may be forgiven when the old lines stand in exactly one place. */
function unscopedPlace(file: Searched, hunk: Hunk, wanted: readonly string[]): number | undefined {
  if (hunk.scopes.length === 0) return undefined;
  const [only, another] = file.places(wanted, 0, 0, 2);
  return another === undefined ? only : undefined;
}

/** Models take the file's final newline for one more empty line: as the last context line it is forgiven. */
function pastEnd(file: Searched, old: readonly HunkLine[], wanted: readonly string[]): number | undefined {
  const last = old.at(-1)!;
  if (old.length < 2 || last.op !== " " || last.text.trim() !== "") return undefined;
  const at = file.length - (old.length - 1);
  const [found] = at < 0 ? [] : file.places(wanted.slice(0, -1), 3, at, 1);
  return found;
}

/** The line of the innermost scope; `at` undefined when the hunk has none; undefined when one is not found. */
function findScopes(file: Searched, hunk: Hunk, from: number): { at: number | undefined } | undefined {
  let at: number | undefined;
  for (const scope of hunk.scopes) {
    const found = findScope(file, scope.text, at === undefined ? from : at + 1);
    if (found === undefined) return undefined;
    at = found;
  }
  return { at };
}

/** The first line equal to the scope under some pass, else the only line that starts with it. */
function findScope(file: Searched, text: string, from: number): number | undefined {
  for (let pass = 0; pass < PASSES.length; pass++) {
    const [found] = file.places([text], pass, from, 1);
    if (found !== undefined) return found;
  }
  const start = text.trim();
  const trimmed = file.texts(2);
  let only: number | undefined;
  for (let i = from; i < trimmed.length; i++) {
    if (!trimmed[i]!.startsWith(start)) continue;
    if (only !== undefined) return undefined;
    only = i;
  }
  return only;
}

/** Added lines with nothing around them land below their scope, at their line number, or at the file's end. */
function insertionPlace(file: Searched, hunk: Hunk, path: string): number {
  if (hunk.above !== undefined) return Math.min(file.length, Math.max(0, hunk.above + file.drift));
  if (hunk.scopes.length === 0) return file.length;
  const from = findScopes(file, hunk, file.next) === undefined ? 0 : file.next;
  const scope = findScopes(file, hunk, from)?.at;
  const wanted = hunk.scopes.at(-1)!;
  if (scope === undefined) {
    throw invalidPatch(hunk.scopes[0]!.at, `no line of the file is ${shown(hunk.scopes[0]!.text)}`, path);
  }
  if (hunk.scopes.length === 1) {
    const places = [...file.places([wanted.text], 0, from, 2)];
    if (places.length > 1) throw ambiguous(file, hunk, [wanted.text], 0, from, path);
  }
  return scope + 1;
}

function ambiguous(
  file: Searched,
  hunk: Hunk,
  wanted: readonly string[],
  pass: number,
  from: number,
  path: string,
) {
  const lines = file.places(wanted, pass, from, 6).map((at) => at + 1);
  const named = lines.length > 5 ? `${lines.slice(0, 5).join(", ")} and more` : lines.join(", ");
  return invalidPatch(
    hunk.at,
    `these lines stand in several places (file lines ${named}): add context lines or an "@@" line that tells them apart`,
    path,
  );
}

/** Says what was wanted and, where the hunk's first lines do stand somewhere, where they stop agreeing. */
function fail(file: Searched, hunk: Hunk, old: readonly HunkLine[], path: string): never {
  const missing = hunk.scopes.find((scope) => findScope(file, scope.text, 0) === undefined);
  if (missing) throw invalidPatch(missing.at, `no line of the file is ${shown(missing.text)}`, path);
  const folded = file.texts(3);
  const wanted = old.map((line) => PASSES[3]!(line.text));
  let best = { at: -1, agreed: 0 };
  for (let at = 0; at < folded.length; at++) {
    let agreed = 0;
    while (agreed < wanted.length && folded[at + agreed] === wanted[agreed]) agreed++;
    if (agreed > best.agreed) best = { at, agreed };
    if (agreed > LONG_MISS) break;
  }
  if (best.agreed === 0 || best.agreed === wanted.length) {
    throw invalidPatch(old[0]!.at, `the file has no such lines, starting with ${shown(old[0]!.text)}`, path);
  }
  const differs = old[best.agreed]!;
  const has = file.texts(0)[best.at + best.agreed];
  throw invalidPatch(
    differs.at,
    `expected ${shown(differs.text)}, but line ${best.at + best.agreed + 1} of the file ${has === undefined ? "does not exist" : `is ${shown(has)}`}`,
    path,
  );
}

/** A miss after this many equal lines is near enough to be named; it bounds the search for a better one. */
const LONG_MISS = 200;

function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
