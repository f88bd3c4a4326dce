/** Where each key of a TOML text stands. For texts the parser has accepted; it is run only when a message needs it. */

import { keyOf, type Path } from "./path.ts";

export interface Position {
  /** From 1. */
  line: number;
  column: number;
}

/** Position of every table, key and array element, by {@link keyOf} of its path. The first mention wins. */
export function keyPositions(text: string): Map<string, Position> {
  return new Scanner(text).run();
}

class Scanner {
  readonly #text: string;
  readonly #offsets = new Map<string, number>();
  /** Index of the last element of each array of tables. */
  readonly #last = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): Map<string, Position> {
    let table: Path = [];
    for (this.#skipSpace(); this.#at < this.#text.length; this.#skipSpace()) {
      const start = this.#at;
      if (this.#text[this.#at] === "[") table = this.#header(start);
      else this.#pair(table);
      // A guard, not a case: every branch moves on.
      if (this.#at === start) this.#at++;
    }
    return this.#positions();
  }

  #header(start: number): Path {
    const array = this.#text[start + 1] === "[";
    this.#at += array ? 2 : 1;
    const keys = this.#keys("]");
    this.#at += array ? 2 : 1;
    const path: (string | number)[] = [];
    keys.forEach((key, i) => {
      path.push(key);
      this.#mark(path, start);
      const last = this.#last.get(keyOf(path));
      if (array && i === keys.length - 1) {
        this.#last.set(keyOf(path), (last ?? -1) + 1);
        path.push((last ?? -1) + 1);
        this.#mark(path, start);
      } else if (last !== undefined) {
        path.push(last);
      }
    });
    return path;
  }

  #pair(table: Path): void {
    const start = this.#at;
    const keys = this.#keys("=");
    this.#at++;
    const path = [...table];
    for (const key of keys) {
      path.push(key);
      this.#mark(path, start);
    }
    this.#skipBlanks();
    this.#value(path);
  }

  /** Dotted keys up to and not including `end`. */
  #keys(end: string): string[] {
    const keys: string[] = [];
    while (this.#at < this.#text.length) {
      this.#skipBlanks();
      const quote = this.#text[this.#at]!;
      if (quote === end) break;
      if (quote === ".") {
        this.#at++;
      } else if (quote === '"' || quote === "'") {
        const start = this.#at;
        this.#string();
        const raw = this.#text.slice(start + 1, this.#at - 1);
        keys.push(quote === '"' ? unescaped(raw) : raw);
      } else {
        const bare = /[^\s.=\]]+/y;
        bare.lastIndex = this.#at;
        const key = bare.exec(this.#text)?.[0] ?? quote;
        keys.push(key);
        this.#at += key.length;
      }
    }
    return keys;
  }

  #value(path: Path): void {
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") this.#string();
    else if (first === "[") this.#array(path);
    else if (first === "{") this.#inlineTable(path);
    else {
      const scalar = /[^,\]}#\n]*/y;
      scalar.lastIndex = this.#at;
      this.#at += scalar.exec(this.#text)![0].length;
    }
  }

  #array(path: Path): void {
    this.#at++;
    for (let index = 0; this.#inside("]"); index++) {
      this.#mark([...path, index], this.#at);
      this.#value([...path, index]);
    }
  }

  #inlineTable(path: Path): void {
    this.#at++;
    while (this.#inside("}")) this.#pair(path);
  }

  /** Skips to the next element; false past the closing bracket. */
  #inside(close: string): boolean {
    for (this.#skipSpace(); this.#text[this.#at] === ","; this.#skipSpace()) this.#at++;
    if (this.#at < this.#text.length && this.#text[this.#at] !== close) return true;
    this.#at++;
    return false;
  }

  #string(): void {
    const quote = this.#text[this.#at]!;
    const triple = quote.repeat(3);
    if (!this.#text.startsWith(triple, this.#at)) {
      this.#at = this.#endOf(quote, this.#at + 1);
      return;
    }
    this.#at = this.#endOf(triple, this.#at + 3);
    // Up to two quotes may belong to the string right before its end.
    while (this.#text[this.#at] === quote) this.#at++;
  }

  #endOf(close: string, from: number): number {
    for (let at = from; at < this.#text.length; at++) {
      if (this.#text[at] === "\\" && close[0] === '"') at++;
      else if (this.#text.startsWith(close, at)) return at + close.length;
    }
    return this.#text.length;
  }

  #skipBlanks(): void {
    while (this.#text[this.#at] === " " || this.#text[this.#at] === "\t") this.#at++;
  }

  /** Blanks, line ends and comments. */
  #skipSpace(): void {
    const space = /(?:[\s\uFEFF]|#[^\n]*)*/y;
    space.lastIndex = this.#at;
    this.#at += space.exec(this.#text)![0].length;
  }

  #mark(path: Path, offset: number): void {
    const key = keyOf(path);
    if (!this.#offsets.has(key)) this.#offsets.set(key, offset);
  }

  #positions(): Map<string, Position> {
    const positions = new Map<string, Position>();
    let [line, lineStart, scanned] = [1, 0, 0];
    for (const [key, offset] of [...this.#offsets].sort((a, b) => a[1] - b[1])) {
      for (; scanned < offset; scanned++) {
        if (this.#text[scanned] === "\n") [line, lineStart] = [line + 1, scanned + 1];
      }
      positions.set(key, { line, column: offset - lineStart + 1 });
    }
    return positions;
  }
}

function unescaped(raw: string): string {
  const json = raw
    .replace(/\\U([0-9a-fA-F]{8})/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
    .replace(/\\x([0-9a-fA-F]{2})/g, "\\u00$1")
    .replace(/\\e/g, "\\u001b")
    .replace(/\t/g, "\\t");
  return JSON.parse(`"${json}"`) as string;
}
