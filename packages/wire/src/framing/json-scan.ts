/**
 * Reads the top level of a JSON object out of its bytes without decoding or parsing the rest (RFC 8259).
 * Structure is checked everywhere; what is inside a string that nobody reads is checked only for being UTF-8.
 */

import { Buffer, isUtf8 } from "node:buffer";

export type JsonKind = "string" | "number" | "boolean" | "null" | "object" | "array";

/** Where a member's value stands: bytes `start` up to, not including, `end`. */
export interface JsonMember {
  kind: JsonKind;
  start: number;
  end: number;
  /** The key was written with a backslash escape. */
  escapedKey: boolean;
}

export interface JsonObject {
  ok: true;
  members: ReadonlyMap<string, JsonMember>;
  /** How often each watched word is the value of a `type` key somewhere inside its member; zero is left out. */
  types: ReadonlyMap<string, number>;
  /** How often each watched key stands somewhere inside its member; zero is left out. */
  keys: ReadonlyMap<string, number>;
  /** For each member with known element types, the other types that its elements have; none is left out. */
  strangers: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Why the bytes are not one JSON object with distinct keys, and at which byte that shows. */
export interface JsonFault {
  ok: false;
  at: number;
  reason: string;
}

/** For each top-level member, the values of nested `type` keys to look out for. */
export type TypeWatch = Readonly<Record<string, readonly string[]>>;

/** For each top-level member, the nested keys to look out for. */
export type KeyWatch = Readonly<Record<string, readonly string[]>>;

/**
 * For each top-level member, the types its elements are known to have. Elements are the objects in an array, those in an
 * array that is a member of such an object, and so on: `tools[].tools[]`, and not what a schema says in its own objects.
 */
export type KnownElements = Readonly<Record<string, readonly string[]>>;

const MAX_DEPTH = 512;

/** No request has more; each costs far more than its bytes. */
const MAX_MEMBERS = 256;

/** Types of a member's elements that are read; `…` stands for the rest. */
const MAX_NOTED = 16;

/** Bytes without a quote after which the native search takes over. */
const PATIENCE = 96;

const FOUR_QUOTES = 0x22222222;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** Scans `body`, which must be exactly one JSON object. Linear in its length; nesting is limited to 512 levels. */
export function scanJsonObject(
  body: Uint8Array,
  watch: TypeWatch = {},
  keyWatch: KeyWatch = {},
  known: KnownElements = {},
): JsonObject | JsonFault {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.length);
  if (!isUtf8(bytes)) return { ok: false, at: firstInvalidUtf8(bytes), reason: "the text is not UTF-8" };
  return new Scanner(bytes, watch, keyWatch, known).object();
}

/** The text of a JSON string that stands in `bytes` from quote to quote; `undefined` when an escape is wrong. */
export function readJsonString(bytes: Uint8Array, start: number, end: number): string | undefined {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset + start + 1, end - start - 2).toString("utf8");
  if (/[\u0000-\u001f]/.test(raw)) return undefined;
  if (!raw.includes("\\")) return raw;
  if (/\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(raw.replaceAll("\\\\", ""))) return undefined;
  return JSON.parse(`"${raw}"`) as string;
}

class Scanner {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #watch: TypeWatch;
  readonly #keyWatch: KeyWatch;
  readonly #known: KnownElements;
  readonly #strangers = new Map<string, Set<string>>();
  readonly #types = new Map<string, number>();
  readonly #keys = new Map<string, number>();
  #at = 0;
  #reason = "";
  /** Behind the closing quote of the key that was read last. */
  #keyEnd = 0;
  /** The words watched inside the current top-level member. */
  #words: readonly string[] | undefined;
  /** The keys watched there. */
  #keyWords: readonly string[] | undefined;
  /** The current value belongs to a key that spells `type`. */
  #typed = false;
  /** The top-level member, and the types its elements are known to have. */
  #name = "";
  #knownTypes: readonly string[] | undefined;
  /** How many of the open levels, from the outermost, are arrays and objects by turns. */
  #aligned = 0;
  /** How many of its strangers were read. */
  #noted = 0;
  /** The current value is the type of an element. */
  #elementType = false;
  /** One entry a level: 1 for an object, 0 for an array. */
  readonly #levels = new Uint8Array(MAX_DEPTH);

  constructor(bytes: Buffer, watch: TypeWatch, keyWatch: KeyWatch, known: KnownElements) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#watch = watch;
    this.#keyWatch = keyWatch;
    this.#known = known;
  }

  object(): JsonObject | JsonFault {
    const members = new Map<string, JsonMember>();
    if (!this.#members(members)) return { ok: false, at: this.#at, reason: this.#reason };
    return { ok: true, members, types: this.#types, keys: this.#keys, strangers: this.#strangers };
  }

  #members(members: Map<string, JsonMember>): boolean {
    if (this.#space() !== OPEN_OBJECT) return this.#fail("an object is expected");
    this.#at++;
    if (this.#space() === CLOSE_OBJECT) this.#at++;
    else {
      for (let next = COMMA; next === COMMA; ) {
        if (!this.#member(members)) return false;
        next = this.#space();
        if (next !== COMMA && next !== CLOSE_OBJECT) return this.#fail("`,` or `}` is expected");
        this.#at++;
      }
    }
    return this.#space() === -1 || this.#fail("nothing may follow the object");
  }

  #member(members: Map<string, JsonMember>): boolean {
    this.#space();
    const key = this.#at;
    if (members.size === MAX_MEMBERS) return this.#fail(`more than ${MAX_MEMBERS} keys stand at its top`);
    this.#keyWords = undefined;
    if (!this.#key(false)) return false;
    const keyEnd = this.#keyEnd;
    const name = readJsonString(this.#bytes, key, keyEnd);
    if (name === undefined) return this.#fail("the key has a wrong escape", key);
    if (members.has(name)) return this.#fail(`the key \`${name.slice(0, 100)}\` comes twice`, key);
    this.#words = Object.hasOwn(this.#watch, name) ? this.#watch[name] : undefined;
    this.#keyWords = Object.hasOwn(this.#keyWatch, name) ? this.#keyWatch[name] : undefined;
    this.#knownTypes = Object.hasOwn(this.#known, name) ? this.#known[name] : undefined;
    this.#name = name;
    this.#noted = 0;
    const kind = kindOf(this.#space());
    const start = this.#at;
    if (!this.#value()) return false;
    members.set(name, { kind, start, end: this.#at, escapedKey: this.#hasBackslash(key, keyEnd) });
    return true;
  }

  /** Any value with everything in it. A loop, not a recursion: depth costs no stack. */
  #value(): boolean {
    let depth = 0;
    this.#aligned = 0;
    this.#typed = false;
    this.#elementType = false;
    for (;;) {
      const first = this.#space();
      if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
        if (depth === MAX_DEPTH) return this.#fail(`nesting is deeper than ${MAX_DEPTH}`);
        const level = first === OPEN_OBJECT ? 1 : 0;
        if (this.#aligned === depth && level === (depth & 1)) this.#aligned++;
        this.#levels[depth++] = level;
        this.#at++;
        const second = this.#space();
        if (first === OPEN_OBJECT) {
          if (second === CLOSE_OBJECT) depth = this.#close(depth);
          else if (this.#key(this.#aligned === depth)) continue;
          else return false;
        } else {
          this.#typed = false;
          this.#elementType = false;
          if (second === CLOSE_ARRAY) depth = this.#close(depth);
          else continue;
        }
      } else if (!this.#scalar(first)) return false;
      // A value has ended: close what ends with it, or go on to the next one.
      for (;;) {
        if (depth === 0) return true;
        const inObject = this.#levels[depth - 1] === 1;
        const next = this.#space();
        if (next === COMMA) {
          this.#at++;
          this.#typed = false;
          this.#elementType = false;
          this.#space();
          if (inObject && !this.#key(this.#aligned === depth)) return false;
          break;
        }
        if (next !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
          return this.#fail(inObject ? "`,` or `}` is expected" : "`,` or `]` is expected");
        }
        depth = this.#close(depth);
      }
    }
  }

  #close(depth: number): number {
    this.#at++;
    if (this.#aligned === depth) this.#aligned--;
    return depth - 1;
  }

  /** A key and its colon; `inElement` when it is an element's. */
  #key(inElement: boolean): boolean {
    const start = this.#at;
    if (this.#bytes[start] !== QUOTE) return this.#fail("a key in double quotes is expected");
    if (!this.#string()) return false;
    this.#keyEnd = this.#at;
    if (this.#words !== undefined) this.#typed = this.#spells(start, this.#at, "type");
    if (this.#knownTypes !== undefined) this.#elementType = inElement && this.#isTypeKey(start, this.#at);
    if (this.#keyWords !== undefined) this.#count(start, this.#keyWords, this.#keys);
    if (this.#space() !== COLON) return this.#fail("`:` is expected");
    this.#at++;
    return true;
  }

  #scalar(first: number): boolean {
    if (first === QUOTE) {
      const start = this.#at;
      if (!this.#string()) return false;
      if (this.#typed) this.#count(start, this.#words!, this.#types);
      if (this.#elementType) this.#meet(start);
      return true;
    }
    if (first === 0x74) return this.#literal("true");
    if (first === 0x66) return this.#literal("false");
    if (first === 0x6e) return this.#literal("null");
    if (first === 0x2d || (first >= 0x30 && first <= 0x39)) return this.#number();
    return this.#fail(first === -1 ? "the body ends too early" : "a value is expected");
  }

  /** A key, or the value of a `type` key, has just been read. */
  #count(start: number, words: readonly string[], counts: Map<string, number>): void {
    for (const word of words) {
      if (this.#spells(start, this.#at, word)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }

  /** A key that spells `type`. One that only a careless parser takes for it makes its element a stranger. */
  #isTypeKey(start: number, end: number): boolean {
    if (!this.#spells(start, end, "type", 0x20)) return false;
    if (this.#spells(start, end, "type")) return true;
    this.#note(start, end);
    return false;
  }

  /** The type of an element has just been read. */
  #meet(start: number): void {
    for (const word of this.#knownTypes!) if (this.#spells(start, this.#at, word)) return;
    this.#note(start, Math.min(this.#at, start + 66));
  }

  #note(start: number, end: number): void {
    if (this.#noted === MAX_NOTED) return;
    const met = this.#strangers.get(this.#name) ?? new Set();
    for (const stranger of met) if (this.#spells(start, end, stranger)) return;
    const stranger = ++this.#noted === MAX_NOTED ? undefined : readJsonString(this.#bytes, start, end);
    this.#strangers.set(this.#name, met.add(stranger ?? "…"));
  }

  /** Is the string between these quotes `word`, however it is escaped? `fold` is a bit in which letters may differ. */
  #spells(start: number, end: number, word: string, fold = 0): boolean {
    const bytes = this.#bytes;
    const last = end - 1;
    if (last - start - 1 < word.length) return false;
    let at = start + 1;
    for (let i = 0; i < word.length; i++) {
      let unit = bytes[at++]!;
      if (unit === BACKSLASH) {
        if (bytes[at] !== LOWER_U) return false;
        unit = hexUnit(bytes, at + 1);
        at += 5;
      }
      if ((unit | fold) !== word.charCodeAt(i)) return false;
    }
    return at === last;
  }

  #hasBackslash(start: number, end: number): boolean {
    for (let i = start; i < end; i++) if (this.#bytes[i] === BACKSLASH) return true;
    return false;
  }

  /**
   * From the opening quote to behind the closing one. Code is full of escaped quotes a few dozen bytes apart, where
   * looking at four bytes at a time beats a native call; long text without quotes is left to the native search.
   */
  #string(): boolean {
    const bytes = this.#bytes;
    const view = this.#view;
    const last = bytes.length - 4;
    const from = this.#at + 1;
    let at = from;
    let patience = at + PATIENCE;
    while (at <= last) {
      const x = view.getInt32(at, true) ^ FOUR_QUOTES;
      const zeros = (x - 0x01010101) & ~x & 0x80808080;
      if (zeros === 0) {
        at += 4;
        if (at < patience) continue;
        at = bytes.indexOf(QUOTE, at);
        if (at < 0) return this.#fail("a string has no end");
      } else at += (31 - Math.clz32(zeros & -zeros)) >> 3;
      if (bytes[at - 1] !== BACKSLASH || !isEscaped(bytes, at, from)) {
        this.#at = at + 1;
        return true;
      }
      patience = ++at + PATIENCE;
    }
    for (; at < bytes.length; at++) {
      if (bytes[at] !== QUOTE || isEscaped(bytes, at, from)) continue;
      this.#at = at + 1;
      return true;
    }
    return this.#fail("a string has no end");
  }

  #number(): boolean {
    const bytes = this.#bytes;
    let at = this.#at;
    if (bytes[at] === 0x2d) at++;
    const whole = at;
    at = digits(bytes, at);
    if (at === whole) return this.#fail("a digit is expected", at);
    if (bytes[whole] === 0x30 && at > whole + 1) return this.#fail("a number may not begin with 0", whole);
    if (bytes[at] === 0x2e) {
      const fraction = ++at;
      at = digits(bytes, at);
      if (at === fraction) return this.#fail("a digit is expected", at);
    }
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      at++;
      if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
      const exponent = at;
      at = digits(bytes, at);
      if (at === exponent) return this.#fail("a digit is expected", at);
    }
    this.#at = at;
    return true;
  }

  #literal(word: string): boolean {
    for (let i = 0; i < word.length; i++) {
      if (this.#bytes[this.#at + i] !== word.charCodeAt(i)) return this.#fail("a value is expected");
    }
    this.#at += word.length;
    return true;
  }

  /** Skips white space; the byte there, or -1 at the end. */
  #space(): number {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) return -1;
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return byte;
      this.#at++;
    }
  }

  #fail(reason: string, at: number = this.#at): false {
    this.#reason = reason;
    this.#at = at;
    return false;
  }
}

/** The four hexadecimal digits at `at` as a number; -1 when one of them is none. */
function hexUnit(bytes: Uint8Array, at: number): number {
  let unit = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i]!;
    const letter = (byte | 0x20) - 0x57;
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : letter;
    if (digit < 0 || digit > 15 || (digit === letter && letter < 10)) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

/** Is the character at `at` behind an odd number of backslashes? The string's text begins at `from`. */
function isEscaped(bytes: Uint8Array, at: number, from: number): boolean {
  let back = at;
  while (back > from && bytes[back - 1] === BACKSLASH) back--;
  return ((at - back) & 1) === 1;
}

function digits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
  return at;
}

function kindOf(first: number): JsonKind {
  if (first === QUOTE) return "string";
  if (first === OPEN_OBJECT) return "object";
  if (first === OPEN_ARRAY) return "array";
  if (first === 0x6e) return "null";
  return first === 0x74 || first === 0x66 ? "boolean" : "number";
}

/** Re-encoding writes U+FFFD where the text was broken: the first difference is the place. */
function firstInvalidUtf8(bytes: Buffer): number {
  const again = Buffer.from(bytes.toString("utf8"));
  const end = Math.min(bytes.length, again.length);
  for (let at = 0; at < end; at++) if (bytes[at] !== again[at]) return at;
  return end;
}
