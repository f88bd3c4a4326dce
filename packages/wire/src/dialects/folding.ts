/** What folds of all dialects do alike: number items, hand on whole ones, and end with exactly one last event. */

import { type Item, isToolCall, type ModelEvent, MohoError, type Usage } from "@moho/protocol";
import { explainStreamError, type UpstreamContext } from "../errors/explain.ts";
import type { UsageReading } from "./responses/usage.ts";
import { callItem, type ToolNames, type ToolOrigin } from "./tools.ts";

/** A tool call while its arguments arrive. */
export interface OpenCall {
  index: number;
  callId: string;
  origin: ToolOrigin;
  arguments: string;
}

export class Folding {
  readonly context: UpstreamContext;
  readonly #requestId: string | undefined;
  readonly #names: ToolNames;
  readonly #open = new Map<number, Item>();
  /** Ids that were given out, with the last number that made one distinct. */
  readonly #callIds = new Map<string, number>();
  #next = 0;
  #doneCount = 0;
  #contradiction: string | undefined;
  finished = false;
  responseId: string | undefined;
  usage: Usage | undefined;

  constructor(context: UpstreamContext, requestId: string | undefined, names: ToolNames) {
    this.context = context;
    this.#requestId = requestId;
    this.#names = names;
  }

  /** Announces an item; its index is the event's. */
  start(item: Item): ModelEvent & { type: "item.started" } {
    const index = this.#next++;
    this.#open.set(index, item);
    return { type: "item.started", index, item };
  }

  done(index: number, item: Item): ModelEvent {
    this.#open.delete(index);
    this.#doneCount++;
    return { type: "item.done", index, item };
  }

  /** A call as the model names it. Ids that are missing or come twice are made distinct: each call stands for itself. */
  startCall(wireName: string, givenId: string, events: ModelEvent[]): OpenCall {
    const wanted = givenId === "" ? `call_${this.responseId ?? "0"}_${this.#next}` : givenId;
    let callId = wanted;
    let times = this.#callIds.get(wanted) ?? 0;
    while (this.#callIds.has(callId)) callId = `${wanted}_${++times}`;
    this.#callIds.set(callId, 1);
    if (callId !== wanted) this.#callIds.set(wanted, times);
    const origin = this.#names.origin(wireName);
    const started = this.start(blankCall(origin, callId));
    events.push(started);
    return { index: started.index, callId, origin, arguments: "" };
  }

  /** A piece of a call's arguments. A freeform call's text is shown once it is whole: it is wrapped in JSON here. */
  growCall(call: OpenCall, delta: string, events: ModelEvent[]): void {
    if (delta === "") return;
    call.arguments += delta;
    if (call.origin.kind === "function") events.push({ type: "arguments.delta", index: call.index, delta });
  }

  doneCall(call: OpenCall): ModelEvent[] {
    const empty = call.arguments.trim() === "";
    const item = callItem(call.origin, call.callId, empty ? "{}" : call.arguments);
    const { index } = call;
    const events = [this.done(index, item)];
    if (item.type === "custom_tool_call" && item.input !== "") {
      events.unshift({ type: "arguments.delta", index, delta: item.input });
    } else if (item.type === "function_call" && empty) {
      events.unshift({ type: "arguments.delta", index, delta: item.arguments });
    }
    return events;
  }

  /** Keeps the last report of usage; one that contradicts itself is a warning when the answer ends. */
  report(reading: UsageReading | undefined): void {
    if (reading === undefined) return;
    this.usage = reading.usage;
    this.#contradiction = reading.contradiction;
  }

  complete(): ModelEvent[] {
    this.finished = true;
    const events = this.#lastWords();
    const { responseId, usage } = this;
    return [...events, { type: "completed", responseId, requestId: this.#requestId, usage }];
  }

  /** The stream reported a failure. An answer that the server had called finished by then is kept (need STREAM-1). */
  failedOrKept(raw: unknown, finished: boolean): ModelEvent[] {
    const error = explainStreamError(raw, this.context, this.#requestId);
    if (!finished || this.#open.size > 0) return this.fail(error);
    return [kept(error.message), ...this.complete()];
  }

  /** The bytes have ended before the answer did. */
  interrupted(cause: unknown): ModelEvent[] {
    if (cause instanceof MohoError) return this.fail(cause);
    const open = [...this.#open.values()];
    const where = open.length === 0 ? "" : ` in the middle of ${open.map(describe).join(" and ")}`;
    const problem = `${this.context.endpoint} ended its stream${where} before the answer was complete.`;
    return this.fail(new MohoError("stream_interrupted", problem, { cause }));
  }

  outputLimit(): ModelEvent[] {
    const problem = "The model reached its limit of output tokens before the answer was complete.";
    return this.fail(new MohoError("output_limit", problem));
  }

  filtered(): ModelEvent[] {
    return this.fail(new MohoError("content_filtered", "The provider's content filter stopped the answer."));
  }

  broken(what: string): ModelEvent[] {
    return this.fail(new MohoError("upstream_error", `${this.context.endpoint} sent ${what}`));
  }

  fail(error: MohoError): ModelEvent[] {
    this.finished = true;
    const requestId = error.requestId ?? this.#requestId;
    const failure = new MohoError(error.code, error.message, {
      cause: error.cause,
      next: error.next,
      details: { ...error.details, itemsDone: this.#doneCount, itemsOpen: this.#open.size },
      ...(requestId !== undefined && { requestId }),
      ...(error.retryAfter !== undefined && { retryAfter: error.retryAfter }),
    });
    return [...this.#lastWords(), { type: "failed", error: failure, usage: this.usage }];
  }

  #lastWords(): ModelEvent[] {
    if (this.#contradiction === undefined) return [];
    return [warning(`The reported token usage contradicts itself: ${this.#contradiction}.`)];
  }
}

export function warning(message: string): ModelEvent {
  return { type: "warning", message };
}

/** The warning for an answer that stands although its stream ended badly. */
export function kept(why: string): ModelEvent {
  return warning(`The answer was complete when the server reported a failure, and is kept. ${why}`);
}

function describe(item: Item): string {
  return isToolCall(item) ? `the call of \`${item.name}\`` : `a ${item.type.replaceAll("_", " ")}`;
}

/** The call as it is announced: nothing in it yet. */
function blankCall(origin: ToolOrigin, callId: string): Item {
  const item = callItem(origin, callId, "");
  if (item.type === "tool_search_call") return { ...item, arguments: {}, status: "in_progress" };
  return { ...item, status: "in_progress" };
}
