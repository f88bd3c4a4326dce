/** Server-sent events: an incremental parser and a serialiser. Specification: WHATWG HTML §9.2. */

import { Buffer } from "node:buffer";

export interface SseEvent {
  /** The `event:` field; empty when the sender named none. */
  event: string;
  data: string;
  /**
   * `unterminated`: the stream ended before the event's closing blank line, so `data` may be cut short.
   * `too_large`: the event passed the parser's limit; its data was dropped and `data` is empty.
   */
  fault?: "unterminated" | "too_large";
}

const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;

/** What one event may weigh before it is dropped: a whole answer with encrypted items fits many times. */
const DEFAULT_LIMIT = 16 * 1024 * 1024;

/** Memory that each further piece of a string costs, in characters: events in tiny pieces must not slip through. */
const PIECE = 32;

/**
 * Turns chunks of bytes, cut anywhere, into events. It never throws. An event heavier than `limit` (its characters,
 * and 32 for each chunk or line that it comes in) is dropped, so memory is bounded.
 */
export class SseParser {
  readonly #limit: number;
  /** Bytes of a character that the last chunk ended in the middle of. */
  #carry: Uint8Array | undefined;
  /** The line that is still open. */
  #open = "";
  #openWeight = 0;
  #event = "";
  #data: string | undefined;
  #dataWeight = 0;
  #start = true;
  #afterCr = false;
  /** Dropping the rest of an event that was too large. */
  #skipping = false;

  constructor(limit: number = DEFAULT_LIMIT) {
    this.#limit = limit;
  }

  /** True between events: nothing of a further event has arrived. */
  get atBoundary(): boolean {
    return (
      this.#carry === undefined &&
      this.#open === "" &&
      this.#data === undefined &&
      this.#event === "" &&
      !this.#skipping
    );
  }

  push(chunk: Uint8Array): SseEvent[] {
    const events: SseEvent[] = [];
    const text = this.#decode(chunk);
    const cut = endOfLastLine(text);
    if (cut > 0) {
      const lines = cut === text.length ? text : text.slice(0, cut);
      const whole = this.#open === "" ? lines : this.#open + lines;
      this.#open = "";
      this.#openWeight = 0;
      this.#read(whole, events);
    }
    if (cut < text.length) this.#keep(cut === 0 ? text : text.slice(cut), events);
    return events;
  }

  /** The last event, when the stream ended without closing it. Nothing may be pushed afterwards. */
  end(): SseEvent[] {
    const events: SseEvent[] = [];
    const rest = this.#open + (this.#carry === undefined ? "" : "\ufffd");
    if (rest !== "") this.#field(rest, 0, rest.length, events);
    if (this.#data !== undefined) {
      events.push({ event: this.#event, data: this.#data, fault: "unterminated" });
    }
    this.#reset();
    this.#open = "";
    this.#carry = undefined;
    return events;
  }

  #decode(chunk: Uint8Array): string {
    let bytes = asBuffer(chunk);
    if (this.#carry !== undefined) {
      bytes = Buffer.concat([this.#carry, bytes]);
      this.#carry = undefined;
    }
    const end = endOfLastCharacter(bytes);
    if (end < bytes.length) this.#carry = Buffer.from(bytes.subarray(end));
    const text = bytes.toString("utf8", 0, end);
    if (!this.#start || text === "") return text;
    this.#start = false;
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }

  /** Reads complete lines. */
  #read(text: string, events: SseEvent[]): void {
    let at = this.#afterCr && text.charCodeAt(0) === LF ? 1 : 0;
    this.#afterCr = text.charCodeAt(text.length - 1) === CR;
    if (text.includes("\r")) {
      const lines = text.slice(at).split(/\r\n|\r|\n/);
      lines.pop();
      for (const line of lines) this.#field(line, 0, line.length, events);
      return;
    }
    while (at < text.length) {
      const end = text.indexOf("\n", at);
      this.#field(text, at, end, events);
      at = end + 1;
    }
  }

  /** One line: `text` from `start` to `end`. */
  #field(text: string, start: number, end: number, events: SseEvent[]): void {
    if (start === end) {
      if (this.#data !== undefined) events.push({ event: this.#event, data: this.#data });
      this.#reset();
    } else if (this.#skipping) {
      return;
    } else if (text.startsWith("data", start)) {
      const value = fieldValue(text, start + 4, end);
      if (value === undefined) return;
      this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
      this.#dataWeight += value.length + PIECE;
      if (this.#dataWeight > this.#limit) this.#drop(events);
    } else if (text.startsWith("event", start)) {
      this.#event = fieldValue(text, start + 5, end) ?? this.#event;
    }
  }

  #keep(text: string, events: SseEvent[]): void {
    this.#open += text;
    this.#openWeight += text.length + PIECE;
    if (this.#openWeight + this.#dataWeight <= this.#limit) return;
    // A comment stays in its place, so that what is left of the line is not taken for a line of its own.
    this.#open = ":";
    this.#openWeight = 0;
    this.#drop(events);
  }

  #drop(events: SseEvent[]): void {
    if (!this.#skipping) events.push({ event: this.#event, data: "", fault: "too_large" });
    this.#data = undefined;
    this.#dataWeight = 0;
    this.#skipping = true;
  }

  #reset(): void {
    this.#event = "";
    this.#data = undefined;
    this.#dataWeight = 0;
    this.#skipping = false;
  }
}

/** The value of a field whose name ended at `at`, or `undefined` when the name goes on. */
function fieldValue(text: string, at: number, end: number): string | undefined {
  if (at >= end) return at === end ? "" : undefined;
  if (text.charCodeAt(at) !== COLON) return undefined;
  const space = at + 1 < end && text.charCodeAt(at + 1) === SPACE;
  return text.slice(space ? at + 2 : at + 1, end);
}

/** The offset just after the last line end, or 0. */
function endOfLastLine(text: string): number {
  const length = text.length;
  if (length > 0 && text.charCodeAt(length - 1) === LF) return length;
  return Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r")) + 1;
}

/** The offset after which the bytes are the beginning of one more UTF-8 character; the length when there is none. */
function endOfLastCharacter(bytes: Uint8Array): number {
  const length = bytes.length;
  if (length === 0 || bytes[length - 1]! < 0x80) return length;
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[length - back]!;
    if (byte < 0x80) return length;
    if (byte >= 0xc0) return back < characterLength(byte) ? length - back : length;
  }
  return length;
}

function characterLength(lead: number): number {
  if (lead >= 0xf0) return 4;
  return lead >= 0xe0 ? 3 : 2;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** One event as text. `data` may have several lines. */
export function formatSse(event: string, data: string): string {
  const name = event === "" ? "" : `event: ${event}\n`;
  const lines = data.includes("\n") ? data.replaceAll("\n", "\ndata: ") : data;
  return `${name}data: ${lines}\n\n`;
}
