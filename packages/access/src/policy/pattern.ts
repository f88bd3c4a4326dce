/**
 * Patterns of IAM policies: `*` and `?` as wildcards, `${…}` as policy variables. A variable's value is always literal
 * text. Matching never goes back over an earlier `*`, so no pattern can make it slow.
 */

/** The values of a condition key (its name in lower case); `undefined` when the request has none. */
export type Lookup = (key: string) => readonly string[] | undefined;

/** Whether a value fits; an unresolvable variable makes it `undefined`: neither fits nor is known not to. */
export type Matcher = (value: string, lookup: Lookup) => boolean | undefined;

export interface PatternOptions {
  /** `*` and `?` stand for themselves when false. */
  wildcards: boolean;
  /** `${…}` stands for itself when false (policy Version 2008-10-17). */
  variables: boolean;
  ignoreCase?: boolean;
}

const STAR = Symbol("*");
const ANY = Symbol("?");
interface Variable {
  key: string;
  fallback: string | undefined;
}
type Token = string | typeof STAR | typeof ANY | Variable;

/** Text between two stars; `holes` are the places that any one character fills. */
interface Segment {
  text: string;
  holes: ReadonlySet<number> | undefined;
}

export function compilePattern(pattern: string, options: PatternOptions): Matcher {
  const fold = (text: string) => (options.ignoreCase ? text.toLowerCase() : text);
  const tokens = tokenize(pattern, options);
  if (tokens.some((token) => typeof token === "object"))
    return (value, lookup) => {
      const resolved = resolve(tokens, lookup);
      return resolved && matchSegments(segmentsOf(resolved, fold), fold(value));
    };
  const segments = segmentsOf(tokens, fold);
  if (segments.length === 1 && !segments[0]!.holes) {
    const { text } = segments[0]!;
    return (value) => fold(value) === text;
  }
  return (value) => matchSegments(segments, fold(value));
}

/** The problem with the variables of a pattern, `undefined` when there is none. */
export function patternProblem(pattern: string): string | undefined {
  for (let at = pattern.indexOf("${"); at >= 0; ) {
    const end = pattern.indexOf("}", at);
    if (end < 0) return "has a policy variable that is not closed by }";
    const inside = pattern.slice(at + 2, end);
    if (!parseVariable(inside)) return `has a malformed policy variable \${${inside}}`;
    at = pattern.indexOf("${", end);
  }
  return undefined;
}

function tokenize(pattern: string, options: PatternOptions): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; ) {
    const end = options.variables && pattern.startsWith("${", at) ? pattern.indexOf("}", at) : -1;
    const variable = end < 0 ? undefined : parseVariable(pattern.slice(at + 2, end));
    const character = pattern[at]!;
    if (variable !== undefined) {
      tokens.push(variable);
      at = end;
    } else if (options.wildcards && character === "*") tokens.push(STAR);
    else if (options.wildcards && character === "?") tokens.push(ANY);
    else tokens.push(character);
    at++;
  }
  return tokens;
}

/** `key`, `key, 'default'`, or one of `*`, `?`, `$` that then stand for themselves. */
function parseVariable(inside: string): Variable | string | undefined {
  if (inside === "*" || inside === "?" || inside === "$") return inside;
  const match = /^\s*([A-Za-z0-9_.:/=+@-]+)\s*(?:,\s*'([^']*)'\s*)?$/.exec(inside);
  return match ? { key: match[1]!.toLowerCase(), fallback: match[2] } : undefined;
}

function resolve(tokens: readonly Token[], lookup: Lookup): Token[] | undefined {
  const resolved: Token[] = [];
  for (const token of tokens) {
    if (typeof token !== "object") {
      resolved.push(token);
      continue;
    }
    const values = lookup(token.key);
    const value = values === undefined || values.length === 0 ? token.fallback : values[0];
    if (value === undefined || (values?.length ?? 0) > 1) return undefined;
    resolved.push(value);
  }
  return resolved;
}

function segmentsOf(tokens: readonly Token[], fold: (text: string) => string): Segment[] {
  const segments: Segment[] = [];
  let text = "";
  let holes = new Set<number>();
  const close = () => {
    segments.push({ text, holes: holes.size > 0 ? holes : undefined });
    text = "";
    holes = new Set();
  };
  for (const token of tokens) {
    if (token === STAR) close();
    else if (token === ANY) {
      holes.add(text.length);
      text += "?";
    } else text += fold(token as string);
  }
  close();
  return segments;
}

/** The first segment is bound to the start, the last to the end, those between to the leftmost place left. */
function matchSegments(segments: readonly Segment[], value: string): boolean {
  const first = segments[0]!;
  if (segments.length === 1) return value.length === first.text.length && fits(first, value, 0);
  const last = segments[segments.length - 1]!;
  const end = value.length - last.text.length;
  let at = first.text.length;
  if (at > end || !fits(first, value, 0) || !fits(last, value, end)) return false;
  for (let i = 1; i < segments.length - 1; i++) {
    const segment = segments[i]!;
    const found = find(segment, value, at, end);
    if (found < 0) return false;
    at = found + segment.text.length;
  }
  return true;
}

function find(segment: Segment, value: string, from: number, end: number): number {
  const lastStart = end - segment.text.length;
  if (!segment.holes) {
    const at = value.indexOf(segment.text, from);
    return at <= lastStart ? at : -1;
  }
  for (let at = from; at <= lastStart; at++) if (fits(segment, value, at)) return at;
  return -1;
}

function fits(segment: Segment, value: string, at: number): boolean {
  if (!segment.holes) return value.startsWith(segment.text, at);
  for (let i = 0; i < segment.text.length; i++)
    if (segment.text[i] !== value[at + i] && !segment.holes.has(i)) return false;
  return true;
}
