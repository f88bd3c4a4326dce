/** A model as an agent sees it: one call is one stream of events, retried and resumed here, that always ends. */

import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import {
  addUsage,
  type Item,
  type ModelEvent,
  MohoError,
  NO_USAGE,
  type ResponsesRequest,
  toMohoError,
  type Usage,
} from "@moho/protocol";
import { explainUpstreamError, ResponsesFold, SseParser, type UpstreamContext } from "@moho/wire";
import type { ResolvedModel } from "../catalogue/resolve.ts";
import type { Credentials } from "../credentials/types.ts";
import type { HttpResponse, ModelClient, Upstream } from "../ports.ts";
import { readBounded } from "../upstreams/authorized.ts";
import { wait } from "../wait.ts";
import { afterFailure, DEFAULT_RETRIES, type Failures, type RetryLimits } from "./backoff.ts";
import { BodyEncoder } from "./body.ts";
import { flatten } from "./events.ts";

export interface ModelClientOptions {
  upstream: Upstream;
  model: ResolvedModel;
  /** Only to name the source in the error when it is refused; the upstream signs. */
  credentials?: Pick<Credentials, "current" | "explainRefusal">;
  /** Sent with every request, for example `session-id` and `thread-id`. */
  headers?: Readonly<Record<string, string>>;
  retries?: Partial<RetryLimits>;
  /** In [0, 1); spreads the waits between tries. */
  random?(): number;
  /** Rejects when `signal` fires. */
  sleep?(milliseconds: number, signal: AbortSignal): Promise<void>;
}

type Last = Extract<ModelEvent, { type: "completed" | "failed" }>;

/** How one try ended. */
interface Attempt {
  last: Last | undefined;
  /** An answer had begun. */
  streaming: boolean;
  /** Bytes of the request, and of the deltas that came: what a broken answer is charged by. */
  sent: number;
  received: number;
}

const MAX_ERROR_BYTES = 256 * 1024;
/** How long the end of an answer's bytes may take once its last event was there; then the connection is given up. */
const DRAIN_MS = 1_000;

export function createModelClient(options: ModelClientOptions): ModelClient {
  const encoder = new BodyEncoder();
  let warnings = options.model.warnings;
  return {
    info: () => options.model.info,
    stream(request, { signal }) {
      const notices = warnings.map((message): ModelEvent => ({ type: "warning", message }));
      warnings = [];
      return flatten(call({ options, encoder, request, signal, notices }));
    },
  };
}

interface Call {
  options: ModelClientOptions;
  encoder: BodyEncoder;
  request: ResponsesRequest;
  signal: AbortSignal;
  notices: ModelEvent[];
}

/** Tries until the answer is complete, the failure cannot heal, or the tries are used up. Never throws. */
async function* call(context: Call): AsyncGenerator<ModelEvent[], void> {
  const { options, signal, notices } = context;
  const limits = { ...DEFAULT_RETRIES, ...options.retries };
  const random = options.random ?? Math.random;
  const delivered = new Delivered();
  const failures: Failures = { request: 0, stream: 0 };
  const headers = { ...requestHeaders(), ...options.headers };
  let spent: Usage | undefined;
  try {
    if (notices.length > 0) yield notices;
    for (let number = 1; ; number++) {
      const attempt: Attempt = { last: undefined, streaming: false, sent: 0, received: 0 };
      yield* tryOnce(context, headers, number, delivered, attempt);
      const last = withSpent(charged(attempt), spent);
      if (last.type === "completed") return yield [last];
      failures[attempt.streaming ? "stream" : "request"]++;
      const verdict = afterFailure(last.error, delivered.items, failures, limits, random());
      if (verdict.next === "fail") return yield [last];
      spent = last.usage;
      yield [{ type: "request.retrying", attempt: number, waitMs: verdict.waitMs, error: last.error, spent }];
      await (options.sleep ?? wait)(verdict.waitMs, signal);
    }
  } catch (error) {
    const stopped = new MohoError("interrupted", "The call was stopped.");
    yield [{ type: "failed", error: signal.aborted ? stopped : toMohoError(error), usage: undefined }];
  }
}

const BYTES_PER_TOKEN = 4;

/** An answer that broke off without usage was paid for all the same: about a token for four bytes. */
function charged({ last, streaming, sent, received }: Attempt): Last {
  const end = last as Last;
  if (end.type === "completed" || end.usage || !streaming) return end;
  const tokens = (bytes: number) => Math.ceil(bytes / BYTES_PER_TOKEN);
  return { ...end, usage: { ...NO_USAGE, input: tokens(sent), output: tokens(received) } };
}

/** The last event tells what all tries of the call have used. */
function withSpent(last: Last, spent: Usage | undefined): Last {
  if (!spent) return last;
  return { ...last, usage: last.usage ? addUsage(last.usage, spent) : spent };
}

function requestHeaders(): Record<string, string> {
  return {
    accept: "text/event-stream",
    "content-type": "application/json",
    "x-client-request-id": randomUUID(),
    "user-agent": "moho",
  };
}

/** The whole items that the caller has got, over all tries of a call. */
class Delivered {
  readonly items: Item[] = [];
  /** The first index that no delivered item has. */
  next = 0;

  take(index: number, item: Item): void {
    this.items.push(item);
    this.next = Math.max(this.next, index + 1);
  }
}

/** One request and its answer. Items are numbered on from those of earlier tries. */
async function* tryOnce(
  { options, encoder, request, signal }: Call,
  headers: Record<string, string>,
  number: number,
  delivered: Delivered,
  attempt: Attempt,
): AsyncGenerator<ModelEvent[], void> {
  const { upstream, model } = options;
  const body = encoder.encode(request, model.info.id, delivered.items);
  attempt.sent = body.length;
  yield [{ type: "request.sent", attempt: number, bytes: body.length }];
  const context: UpstreamContext = {
    endpoint: upstream.name,
    model: model.info.id,
    ...(model.region !== undefined && { region: model.region }),
  };
  let answer: HttpResponse;
  try {
    answer = await upstream.send({
      dialect: "responses",
      model: model.info.id,
      path: "/responses",
      method: "POST",
      headers,
      body,
      stream: true,
      signal,
    });
    if (answer.status !== 200) throw await refusal(answer, context, options);
    assertEvents(answer, context);
  } catch (error) {
    attempt.last = { type: "failed", error: toMohoError(error), usage: undefined };
    return;
  }
  attempt.streaming = true;
  const first = delivered.next;
  for await (const events of readAnswer(answer, context)) {
    const shown: ModelEvent[] = [];
    for (const event of events) {
      if (event.type === "completed" || event.type === "failed") {
        attempt.last = event;
        continue;
      }
      if ("delta" in event) attempt.received += Buffer.byteLength(event.delta);
      if (first > 0 && "index" in event) event.index += first;
      if (event.type === "item.done") delivered.take(event.index, event.item);
      shown.push(event);
    }
    if (shown.length > 0) yield shown;
  }
}

/** A web page or a plain JSON body with status 200: a sign-in page, a proxy, another API. Asking again would not help. */
function assertEvents({ headers, body }: HttpResponse, context: UpstreamContext): void {
  const type = headers["content-type"] ?? "";
  if (!/html|json/i.test(type)) return;
  body.destroy();
  throw new MohoError(
    "upstream_refused",
    `${context.endpoint} answered 200 with ${type.slice(0, 100)}, not with a stream of events.`,
    { next: "Check `base_url`, `HTTPS_PROXY` and `NO_PROXY`." },
  );
}

/** The events of an answer, a batch for each piece of bytes, the last one with `completed` or `failed`. */
async function* readAnswer(
  answer: HttpResponse,
  context: UpstreamContext,
): AsyncGenerator<ModelEvent[], void> {
  const { body, headers } = answer;
  const requestId = headers["x-request-id"] ?? headers["x-amzn-requestid"];
  const fold = new ResponsesFold(context, requestId);
  const parser = new SseParser();
  let cause: unknown;
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const events: ModelEvent[] = [];
      for (const event of parser.push(chunk)) for (const read of fold.push(event)) events.push(read);
      if (events.length > 0) yield events;
      if (fold.finished) return;
    }
  } catch (error) {
    cause = error;
  } finally {
    letGo(body, fold.finished);
  }
  const rest = parser.end().flatMap((event) => fold.push(event));
  yield [...rest, ...fold.end(cause)];
}

/** An answer that was read to its last event gets a moment for its last bytes, so that its connection can be used again. */
function letGo(body: Readable, finished: boolean): void {
  if (body.destroyed) return;
  body.on("error", () => {});
  if (!finished) {
    body.destroy();
    return;
  }
  const timer = setTimeout(() => body.destroy(), DRAIN_MS).unref();
  body.once("close", () => clearTimeout(timer));
  body.resume();
}

/** The error of an answer that is not a success, with what only we know about it. */
async function refusal(
  answer: HttpResponse,
  context: UpstreamContext,
  { credentials, model }: ModelClientOptions,
): Promise<MohoError> {
  const body = await readBounded(answer.body, MAX_ERROR_BYTES);
  const error = explainUpstreamError({ status: answer.status, headers: answer.headers, body, context });
  const hints: string[] = [];
  if (error.category === "authentication" && credentials)
    hints.push(
      await credentials.current().then(
        (auth) => credentials.explainRefusal(auth),
        () => "",
      ),
    );
  if (error.code === "unknown_model" && model.nearest.length > 0)
    hints.push(`Near it: ${model.nearest.join(", ")}.`);
  const said = [error.message, ...hints].filter((part) => part !== "").join(" ");
  return new MohoError(error.code, said, {
    next: error.next,
    ...(error.requestId !== undefined && { requestId: error.requestId }),
    ...(error.retryAfter !== undefined && { retryAfter: error.retryAfter }),
    ...(error.details && { details: error.details }),
  });
}
