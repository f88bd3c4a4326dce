/** A pretended model that plays a script: for the demo, for trying a client, and for tests. It keeps no state. */

import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { type Item, MohoError, NO_USAGE, type ResponsesRequest, type Usage } from "@moho/protocol";
import {
  formatResponsesEvent,
  type RenderedError,
  type ResponsesAnswer,
  renderError,
  responsesBody,
  responsesEvents,
} from "@moho/wire";
import type { HttpResponse, Upstream, UpstreamCall } from "../../ports.ts";
import { wait } from "../../wait.ts";
import { itemsOf, nextTurn, type ScriptTurn } from "./script.ts";

export interface ScriptedOptions {
  name: string;
  script: readonly ScriptTurn[];
  /** Epoch milliseconds. */
  now(): number;
}

interface Prepared {
  answer: ResponsesAnswer;
  delayMs: number;
}

/** What the script answers to the call, or the error that a real server would send. */
export function prepare(call: UpstreamCall, options: ScriptedOptions): Prepared | MohoError {
  if (call.method !== "POST" || !call.path.startsWith("/responses"))
    return new MohoError("not_found", "The scripted model answers only POST /responses.");
  const text = Buffer.from(call.body ?? []).toString("utf8");
  const request = parseRequest(text);
  if (request instanceof MohoError) return request;
  const input: readonly Item[] = Array.isArray(request.input) ? request.input : [];
  const position = nextTurn(options.script, input);
  const turn = options.script[position];
  if (!turn)
    return new MohoError(
      "upstream_refused",
      `The script has ${options.script.length} turns, and all of them have been played.`,
    );
  const items = itemsOf(turn, position);
  return {
    answer: {
      id: `resp_${createHash("sha256").update(text).digest("hex").slice(0, 24)}`,
      model: call.model,
      createdAt: Math.floor(options.now() / 1000),
      items,
      usage: { ...NO_USAGE, ...countTokens(text, items), ...turn.usage },
    },
    delayMs: turn.delayMs ?? 0,
  };
}

export function createScripted(options: ScriptedOptions): Upstream {
  return {
    kind: "scripted",
    name: options.name,
    async send(call) {
      const prepared = prepare(call, options);
      if (prepared instanceof MohoError) return errorAnswer(renderError(prepared, "openai"));
      if (prepared.delayMs > 0) await wait(prepared.delayMs, call.signal);
      return call.stream ? streamed(prepared.answer, call.signal) : whole(prepared.answer);
    },
    models: async () => undefined,
    close: async () => {},
  };
}

function parseRequest(text: string): Partial<ResponsesRequest> | MohoError {
  try {
    return JSON.parse(text) as Partial<ResponsesRequest>;
  } catch {
    return new MohoError("invalid_request", "The request's body is not JSON.");
  }
}

function countTokens(request: string, items: readonly Item[]): Partial<Usage> {
  return { input: Math.ceil(request.length / 4), output: Math.ceil(JSON.stringify(items).length / 4) };
}

function streamed(answer: ResponsesAnswer, signal: AbortSignal): HttpResponse {
  const body = Readable.from(texts(answer), { objectMode: false });
  const stop = (): void => void body.destroy(new MohoError("interrupted", "The call was stopped."));
  signal.addEventListener("abort", stop, { once: true });
  body.once("close", () => signal.removeEventListener("abort", stop));
  return { status: 200, headers: headersOf(answer, "text/event-stream"), body };
}

function* texts(answer: ResponsesAnswer): Generator<Buffer> {
  for (const event of responsesEvents(answer)) yield Buffer.from(formatResponsesEvent(event));
}

function whole(answer: ResponsesAnswer): HttpResponse {
  const body = Readable.from([Buffer.from(JSON.stringify(responsesBody(answer)))]);
  return { status: 200, headers: headersOf(answer, "application/json"), body };
}

function headersOf(answer: ResponsesAnswer, type: string): Record<string, string> {
  return { "content-type": type, "x-request-id": answer.id.replace("resp_", "req_") };
}

function errorAnswer({ status, headers, body }: RenderedError): HttpResponse {
  return { status, headers, body: Readable.from([Buffer.from(body)]) };
}
