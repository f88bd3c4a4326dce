/** What callers of models see: a model client for agents, upstreams for gateways. */

import type { Readable } from "node:stream";
import type { ModelEvent, ModelPrice, ResponsesRequest } from "@moho/protocol";

/** What is known of a model at one endpoint. */
export interface ModelInfo {
  /** As the endpoint spells it. */
  id: string;
  contextWindow: number;
  maxOutput: number;
  /** How this model takes `apply_patch`. */
  patchTool: "custom" | "function";
  efforts: readonly string[];
  defaultEffort?: string;
  parallelTools: boolean;
  verbosity: boolean;
  /** `undefined` when no price is known: budgets then refuse, displays say so. */
  price: ModelPrice | undefined;
  /** False when the id was not in the catalogue and these are careful guesses. */
  known: boolean;
}

/** The agent's side: one call is one stream that always ends with one `completed` or `failed`. */
export interface ModelClient {
  info(): ModelInfo;
  stream(request: ResponsesRequest, options: { signal: AbortSignal }): AsyncIterable<ModelEvent>;
}

/** A dialect's wire name on the upstream leg. */
export type Dialect = "responses" | "chat" | "messages" | "converse" | "invoke";

/** One HTTP exchange, ready to sign or send. Header names are lower-case. */
export interface HttpRequest {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body?: Uint8Array | string;
  signal?: AbortSignal;
  /** Milliseconds until connected, until the first byte of the answer, between bytes. */
  clocks?: { connect: number; firstByte: number; idle: number };
}

export interface HttpResponse {
  status: number;
  headers: Record<string, string>;
  body: Readable;
}

/** Sends one request. Rejects with `upstream_unreachable`, `upstream_timeout` or `interrupted`; never retries. */
export type Transport = (request: HttpRequest) => Promise<HttpResponse>;

/** A call as a gateway hands it on: body and accepted headers as the client sent them. */
export interface UpstreamCall {
  dialect: Dialect;
  /** The id to send upstream; already mapped. */
  model: string;
  /** Path below the upstream's base, for example `/responses`. */
  path: string;
  method: string;
  /** Only headers that may travel; never credentials. */
  headers: Record<string, string>;
  body: Uint8Array | undefined;
  /** Lower-case hex SHA-256 of `body`, when the caller knows it already. */
  bodySha256?: string;
  stream: boolean;
  signal: AbortSignal;
}

/** Where a gateway sends a call. */
export interface Upstream {
  readonly kind:
    | "bedrock-mantle"
    | "bedrock-runtime"
    | "openai-compatible"
    | "anthropic"
    | "local"
    | "scripted";
  readonly name: string;
  /** The answer's head as soon as it is there; its body streams. Rejects only before a head arrived. */
  send(call: UpstreamCall): Promise<HttpResponse>;
  /** Ids this upstream lists, or `undefined` when it cannot say. */
  models(signal: AbortSignal): Promise<string[] | undefined>;
  close(): Promise<void>;
}
