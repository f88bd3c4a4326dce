/**
 * Reads what a gateway must know of a Responses answer from bytes that pass by: it alters and holds back nothing, and
 * parses only the first event and the last.
 */

import { Buffer } from "node:buffer";
import type { Usage } from "@moho/protocol";
import { parseJson, record } from "../../framing/json.ts";
import { type JsonMember, readJsonString, scanJsonObject } from "../../framing/json-scan.ts";
import { type SseEvent, SseParser } from "../../framing/sse.ts";
import { readResponsesUsage } from "./usage.ts";

export interface TapReading {
  responseId: string | undefined;
  model: string | undefined;
  /** As the server wrote it: `completed`, `incomplete`, `failed`, `in_progress`…; `failed` after a bare `error`. */
  status: string | undefined;
  usage: Usage | undefined;
  /** What in the usage cannot be true. */
  contradiction: string | undefined;
  /** `code` and `message` of a reported failure. */
  failure: { code: string | undefined; message: string } | undefined;
  /** Characters (UTF-16 units) of text, refusal, reasoning and arguments seen in deltas: a base for estimates. */
  outputCharacters: number;
  /** How many of them are beyond ASCII: each may be a token of its own. */
  outputWide?: number;
  /** A tool ran at the server: it reads input that the request did not show. */
  hostedTool?: boolean;
  /** A terminal event, or a whole JSON body, has passed. */
  terminal: boolean;
  /** Between two events: bytes added now would not land inside one. */
  atBoundary: boolean;
}

const DELTA_TYPES: ReadonlySet<string> = new Set([
  "response.output_text.delta",
  "response.refusal.delta",
  "response.reasoning_summary_text.delta",
  "response.reasoning_text.delta",
  "response.function_call_arguments.delta",
  "response.custom_tool_call_input.delta",
]);
const HEAD_TYPES: ReadonlySet<string> = new Set([
  "response.created",
  "response.in_progress",
  "response.queued",
]);
const TERMINAL_TYPES: ReadonlySet<string> = new Set([
  "response.completed",
  "response.incomplete",
  "response.failed",
  "error",
]);

/** Events of tools that the server runs; a client's own have no `_call.` in their names. */
const HOSTED_TYPE = /_call\.|\.mcp_/;

/** Bytes of a JSON body that are kept to be read; above it usage stays unknown. */
const BODY_LIMIT = 16 * 1024 * 1024;

/** One answer. `write` every chunk as it passes, then `end`; `reading` is good at any moment. Never throws. */
export class ResponsesTap {
  readonly #sse: SseParser | undefined;
  readonly #onFirstDelta: (() => void) | undefined;
  #body: Uint8Array[] = [];
  #bodyBytes = 0;
  #sawDelta = false;
  #nextSequence = 0;
  #reading: Omit<TapReading, "atBoundary"> = {
    responseId: undefined,
    model: undefined,
    status: undefined,
    usage: undefined,
    contradiction: undefined,
    failure: undefined,
    outputCharacters: 0,
    outputWide: 0,
    hostedTool: false,
    terminal: false,
  };

  /** `onFirstDelta` is called once, when the first delta of output passes (never for a JSON body). */
  constructor(contentType: string, onFirstDelta?: () => void) {
    this.#sse = /^text\/event-stream\b/i.test(contentType) ? new SseParser() : undefined;
    this.#onFirstDelta = onFirstDelta;
  }

  get reading(): TapReading {
    return { ...this.#reading, atBoundary: this.#sse?.atBoundary ?? this.#bodyBytes === 0 };
  }

  /** The `sequence_number` of an event that would follow the last whole one. */
  nextSequence(): number {
    return this.#nextSequence;
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
    const body = Buffer.concat(this.#body);
    this.#body = [];
    this.#response(body, true);
    this.#reading.terminal = this.#reading.status !== undefined;
  }

  #event(event: SseEvent): void {
    if (event.fault !== undefined && !(event.fault === "unterminated" && isWhole(event.data))) return;
    this.#nextSequence = sequenceOf(event.data, this.#nextSequence) + 1;
    const named = event.event.startsWith("response.") || event.event === "error";
    const type = named ? event.event : typeOf(event.data);
    if (DELTA_TYPES.has(type)) this.#delta(event.data);
    else if (HEAD_TYPES.has(type)) {
      if (this.#reading.responseId === undefined) this.#snapshot(event.data, false);
    } else if (TERMINAL_TYPES.has(type)) this.#last(type, event.data);
    else if (HOSTED_TYPE.test(type)) this.#reading.hostedTool = true;
  }

  #delta(data: string): void {
    const delta = measureDelta(data);
    this.#reading.outputCharacters += delta.length;
    this.#reading.outputWide! += delta.wide;
    if (this.#sawDelta) return;
    this.#sawDelta = true;
    this.#onFirstDelta?.();
  }

  #last(type: string, data: string): void {
    this.#reading.terminal = true;
    if (type !== "error") {
      this.#snapshot(data, true);
      return;
    }
    const raw = record(parseJson(data));
    this.#reading.status = "failed";
    this.#reading.failure = failureOf(typeof raw["error"] === "object" ? raw["error"] : raw);
  }

  /** An event that carries the response object. */
  #snapshot(data: string, last: boolean): void {
    const bytes = Buffer.from(data);
    const event = scanJsonObject(bytes);
    const response = event.ok ? event.members.get("response") : undefined;
    if (response?.kind === "object") this.#response(bytes.subarray(response.start, response.end), last);
  }

  /** The response object, of which all but a few small members are skipped. Usage is the `last` one's: before, it is a zero. */
  #response(bytes: Buffer, last: boolean): void {
    const scan = scanJsonObject(bytes);
    if (!scan.ok) return;
    const value = (name: string): unknown => parseMember(bytes, scan.members.get(name));
    const text = (name: string): string | undefined => textMember(bytes, scan.members.get(name));
    const reading = this.#reading;
    reading.responseId = text("id") ?? reading.responseId;
    reading.model = text("model") ?? reading.model;
    reading.status = text("status") ?? reading.status;
    const usage = last ? readResponsesUsage(value("usage")) : undefined;
    reading.usage = usage?.usage ?? reading.usage;
    reading.contradiction = usage?.contradiction ?? reading.contradiction;
    reading.failure = failureOf(value("error")) ?? reading.failure;
  }
}

function textMember(bytes: Buffer, member: JsonMember | undefined): string | undefined {
  return member?.kind === "string" ? readJsonString(bytes, member.start, member.end) : undefined;
}

function parseMember(bytes: Buffer, member: JsonMember | undefined): unknown {
  return member?.kind === "object" ? parseJson(bytes.toString("utf8", member.start, member.end)) : undefined;
}

function failureOf(raw: unknown): { code: string | undefined; message: string } | undefined {
  if (typeof raw !== "object" || raw === null) return undefined;
  const { code, message } = record(raw);
  return {
    code: typeof code === "string" ? code : undefined,
    message: typeof message === "string" ? message : "",
  };
}

function typeOf(data: string): string {
  const { type } = record(parseJson(data));
  return typeof type === "string" ? type : "";
}

const SEQUENCE_KEY = '"sequence_number":';

function sequenceOf(data: string, otherwise: number): number {
  const key = data.indexOf(SEQUENCE_KEY);
  if (key < 0) return otherwise;
  const value = Number.parseInt(data.slice(key + SEQUENCE_KEY.length, key + SEQUENCE_KEY.length + 17), 10);
  return value >= 0 ? value : otherwise;
}

function isWhole(data: string): boolean {
  return parseJson(data) !== undefined;
}

const DELTA_KEY = '"delta":"';

interface Measured {
  /** UTF-16 units. */
  length: number;
  /** Those beyond ASCII. */
  wide: number;
}

/**
 * The size of the event's `delta` string. Looked up in place: within JSON text the key cannot stand inside another
 * string, because there its quotes would be escaped. Servers that write it with a space are parsed.
 */
function measureDelta(data: string): Measured {
  const key = data.indexOf(DELTA_KEY);
  if (key < 0) {
    const { delta } = record(parseJson(data));
    return typeof delta === "string"
      ? { length: delta.length, wide: wideUnits(delta) }
      : { length: 0, wide: 0 };
  }
  let length = 0;
  let wide = 0;
  for (let at = key + DELTA_KEY.length; at < data.length; at++, length++) {
    const unit = data.charCodeAt(at);
    if (unit === 0x22) break;
    if (unit > 0x7f) wide++;
    else if (unit === 0x5c && data.charCodeAt(at + 1) !== 0x75) at++;
    else if (unit === 0x5c) {
      if (!ASCII_ESCAPE.test(data.slice(at + 2, at + 6))) wide++;
      at += 5;
    }
  }
  return { length, wide };
}

const ASCII_ESCAPE = /^00[0-7]/;

function wideUnits(text: string): number {
  let wide = 0;
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) wide++;
  return wide;
}
