/** Reads what a gateway must know of a Converse answer from bytes that pass by: it alters and holds back nothing. */

import { Buffer } from "node:buffer";
import { type EventMessage, EventStreamDecoder } from "../../framing/event-stream.ts";
import { parseJson, record } from "../../framing/json.ts";
import type { TapReading } from "../responses/tap.ts";
import { readConverseUsage } from "./usage.ts";

/** Bytes of a JSON body that are kept to be read; above it usage stays unknown. */
const BODY_LIMIT = 16 * 1024 * 1024;

/**
 * One answer. `write` every chunk as it passes, then `end`; `reading` is good at any moment. Never throws. `status` is
 * the stop reason, or `failed` after an exception; a stream is `terminal` after `metadata` or an exception.
 */
export class ConverseTap {
  readonly #decoder: EventStreamDecoder | undefined;
  readonly #onFirstDelta: (() => void) | undefined;
  #body: Uint8Array[] = [];
  #bodyBytes = 0;
  #sawDelta = false;
  #reading: Omit<TapReading, "atBoundary"> = {
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
  constructor(contentType: string, onFirstDelta?: () => void) {
    const streamed = /^application\/vnd\.amazon\.eventstream\b/i.test(contentType);
    this.#decoder = streamed ? new EventStreamDecoder() : undefined;
    this.#onFirstDelta = onFirstDelta;
  }

  get reading(): TapReading {
    return { ...this.#reading, atBoundary: this.#decoder?.atBoundary ?? this.#bodyBytes === 0 };
  }

  write(chunk: Uint8Array): void {
    if (this.#decoder !== undefined) {
      for (const message of this.#decoder.push(chunk)) this.#message(message);
      return;
    }
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes <= BODY_LIMIT) this.#body.push(chunk);
    else this.#body = [];
  }

  end(): void {
    if (this.#decoder !== undefined) {
      this.#decoder.end();
      return;
    }
    const raw = record(parseJson(Buffer.concat(this.#body).toString("utf8")));
    this.#body = [];
    this.#stopped(raw["stopReason"]);
    this.#usage(raw["usage"]);
    this.#reading.terminal = this.#reading.status !== undefined;
  }

  #message({ headers, payload, fault }: EventMessage): void {
    if (fault !== undefined) return;
    const type = headers.get(":event-type");
    if (type === "contentBlockDelta") this.#delta(payload);
    else if (type === "messageStop") this.#stopped(record(parseJson(payload.toString("utf8")))["stopReason"]);
    else if (type === "metadata") {
      this.#usage(record(parseJson(payload.toString("utf8")))["usage"]);
      this.#reading.terminal = true;
    } else if (headers.get(":message-type") !== "event") this.#failed(headers, payload);
  }

  #delta(payload: Buffer): void {
    const delta = record(record(parseJson(payload.toString("utf8")))["delta"]);
    const reasoning = record(delta["reasoningContent"]);
    for (const text of [delta["text"], record(delta["toolUse"])["input"], reasoning["text"]]) {
      if (typeof text === "string") this.#reading.outputCharacters += text.length;
    }
    if (this.#sawDelta) return;
    this.#sawDelta = true;
    this.#onFirstDelta?.();
  }

  #stopped(reason: unknown): void {
    if (typeof reason === "string") this.#reading.status = reason;
  }

  #usage(raw: unknown): void {
    const reading = readConverseUsage(raw);
    this.#reading.usage = reading?.usage;
    this.#reading.contradiction = reading?.contradiction;
  }

  #failed(headers: ReadonlyMap<string, string>, payload: Buffer): void {
    const words = record(parseJson(payload.toString("utf8")))["message"] ?? headers.get(":error-message");
    this.#reading.status = "failed";
    this.#reading.terminal = true;
    this.#reading.failure = {
      code: headers.get(":exception-type") ?? headers.get(":error-code"),
      message: typeof words === "string" ? words : "",
    };
  }
}
