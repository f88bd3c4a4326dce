/** What taps of all dialects do alike: they read bytes that pass by, and alter and hold back nothing. */

import { Buffer } from "node:buffer";
import { parseJson, record } from "../framing/json.ts";
import { type SseEvent, SseParser } from "../framing/sse.ts";
import type { TapReading } from "./responses/tap.ts";
import type { UsageReading } from "./responses/usage.ts";

export type OpenReading = Omit<TapReading, "atBoundary">;

/** How one dialect's answer is read. */
export interface TapDialect {
  /** One whole event; true when it brought output. */
  event(event: SseEvent, reading: OpenReading): boolean;
  /** The body of an answer that is not streamed. */
  body(body: Readonly<Record<string, unknown>>, reading: OpenReading): void;
}

/** Bytes of a JSON body that are kept to be read; above it usage stays unknown. */
const BODY_LIMIT = 16 * 1024 * 1024;

/** One answer. `write` every chunk as it passes, then `end`; `reading` is good at any moment. Never throws. */
export class Tap {
  readonly #dialect: TapDialect;
  readonly #sse: SseParser | undefined;
  #onFirstDelta: (() => void) | undefined;
  #body: Uint8Array[] = [];
  #bodyBytes = 0;
  readonly #reading: OpenReading = {
    responseId: undefined,
    model: undefined,
    status: undefined,
    usage: undefined,
    contradiction: undefined,
    failure: undefined,
    outputCharacters: 0,
    terminal: false,
  };

  /** `onFirstDelta` is called once, when the first delta of output passes (never for a JSON body). */
  constructor(dialect: TapDialect, contentType: string, onFirstDelta?: () => void) {
    this.#dialect = dialect;
    this.#sse = /^text\/event-stream\b/i.test(contentType) ? new SseParser() : undefined;
    this.#onFirstDelta = onFirstDelta;
  }

  get reading(): TapReading {
    return { ...this.#reading, atBoundary: this.#sse?.atBoundary ?? this.#bodyBytes === 0 };
  }

  write(chunk: Uint8Array): void {
    if (this.#sse !== undefined) {
      for (const event of this.#sse.push(chunk)) this.#event(event);
      return;
    }
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes <= BODY_LIMIT) this.#body.push(chunk);
    else this.#body = [];
  }

  end(): void {
    if (this.#sse !== undefined) {
      for (const event of this.#sse.end()) this.#event(event);
      return;
    }
    const body = record(parseJson(Buffer.concat(this.#body).toString("utf8")));
    this.#body = [];
    this.#dialect.body(body, this.#reading);
    this.#reading.terminal = this.#reading.status !== undefined;
  }

  #event(event: SseEvent): void {
    if (event.fault === "too_large") return;
    if (event.fault === "unterminated" && parseJson(event.data) === undefined && event.data !== "[DONE]")
      return;
    if (!this.#dialect.event(event, this.#reading)) return;
    this.#onFirstDelta?.();
    this.#onFirstDelta = undefined;
  }
}

export function noteUsage(usage: UsageReading | undefined, reading: OpenReading): void {
  reading.usage = usage?.usage ?? reading.usage;
  reading.contradiction = usage?.contradiction ?? reading.contradiction;
}

/** An `error` object of either family. */
export function noteFailure(raw: unknown, reading: OpenReading): void {
  const error = record(raw);
  const code = error["code"] ?? error["type"];
  const message = typeof raw === "string" ? raw : error["message"];
  reading.status = "failed";
  reading.terminal = true;
  reading.failure = {
    code: typeof code === "string" ? code : undefined,
    message: typeof message === "string" ? message : "",
  };
}

export function noteHead(raw: Readonly<Record<string, unknown>>, reading: OpenReading): void {
  if (typeof raw["id"] === "string") reading.responseId ??= raw["id"];
  if (typeof raw["model"] === "string") reading.model ??= raw["model"];
}

/**
 * The length of a string member, looked up in place: within JSON text the key cannot stand inside another string,
 * because there its quotes would be escaped. Zero when it is absent or no string.
 */
export function memberLength(data: string, name: string): number {
  let at = data.indexOf(`"${name}":"`);
  if (at >= 0) at += name.length + 4;
  else {
    at = data.indexOf(`"${name}": "`);
    if (at < 0) return 0;
    at += name.length + 5;
  }
  let length = 0;
  for (; at < data.length; at++, length++) {
    const unit = data.charCodeAt(at);
    if (unit === 0x22) return length;
    if (unit === 0x5c) at += data.charCodeAt(at + 1) === 0x75 ? 5 : 1;
  }
  return length;
}
