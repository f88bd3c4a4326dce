/** An agent turn, from the user's input until the agent rests. */

import type { ModelClient } from "@moho/model";
import {
  type ContentPart,
  MohoError,
  type ThreadEvent,
  type ToolCallItem,
  type TurnUsage,
  toMohoError,
  totalTokens,
  type Usage,
} from "@moho/protocol";
import type { Environment } from "@moho/sandbox";
import { type Answer, chargedUsage, receiveAnswer } from "./answer.ts";
import type { ApprovalPolicy, Approve } from "./approvals.ts";
import { type CallScope, notRun, runCalls } from "./calls.ts";
import { eventStream } from "./events.ts";
import type { Files } from "./files.ts";
import { type ItemFeed, itemFeed } from "./item-feed.ts";
import { createMeter, type Limits, type Meter, turnUsage } from "./limits.ts";
import { contextRecord } from "./request/context.ts";
import { readProjectDocs } from "./request/project-docs.ts";
import { buildRequest, estimateInput, type RequestSettings } from "./request/request.ts";
import { killAll, type Sessions } from "./sessions.ts";
import { stopReason, stopSwitch } from "./stop.ts";
import type { ThreadRecord } from "./thread/records.ts";
import type { Thread } from "./thread/thread.ts";

export interface TurnDeps {
  model: ModelClient;
  environment: Environment;
  /** Lives as long as the process: commands may outlive a turn. */
  sessions: Sessions;
  files: Files;
  /** The whole environment of commands, without secrets. */
  commandEnv: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  now(): number;
  /** Absent when nobody is there to be asked. Settles when its signal is aborted. */
  approve?: Approve;
}

export interface TurnOptions {
  /** Stops the turn: it ends as `interrupted`, and the commands it started are killed. */
  signal: AbortSignal;
  /** Absolute. */
  cwd: string;
  /** The folder of the user's own AGENTS.md. */
  home: string;
  approval: ApprovalPolicy;
  limits?: Limits;
  settings?: RequestSettings;
  /** Told after each answer what the turn has used so far: for a progress line. */
  onUsage?(usage: TurnUsage): void;
}

/** Answers that broke off behind a whole tool call before the turn gives up. */
const BROKEN_ANSWERS = 3;

export type TurnInput = string | ContentPart[];

/**
 * Runs one turn of a thread. The stream never throws; its last event, and no other, is `turn.completed` or
 * `turn.failed`. A failed turn leaves no command of its own running, and a log that the next turn can go on from.
 */
export function runTurn(
  deps: TurnDeps,
  thread: Thread,
  input: TurnInput,
  options: TurnOptions,
): AsyncIterable<ThreadEvent> {
  return eventStream(options.signal, async (emit, outer) => {
    const info = deps.model.info();
    const meter = createMeter(info, options.limits ?? {});
    emit({ type: "turn.started" });
    const release = thread.claim();
    if (!release) return emit(turnFailed(busy(thread), meter));
    const stop = stopSwitch(outer, options.limits?.timeoutMs);
    const feed = itemFeed(emit, thread.nextItemId);
    const scope = callScope(deps, options, feed, stop.signal);
    let failure: MohoError | undefined;
    let broken = 0;
    try {
      await thread.append(await openingRecords(deps, thread, input, options, emit));
      for (let resting = false; !resting; ) {
        await thread.repair();
        const { items, measured } = thread.state;
        const expected = estimateInput(info, items, measured);
        const cap = meter.admit(expected);
        const request = buildRequest(info, { id: thread.id, items }, options.settings ?? {}, cap);
        const refuseRetry = (spent: Usage | undefined) => meter.admitRetry(spent, expected);
        const answer = await receiveAnswer(deps.model.stream(request, stop), thread, feed, emit, refuseRetry);
        meter.spend(chargedUsage(answer, expected));
        options.onUsage?.(turnUsage(meter));
        if (answer.error) {
          await refuseCalls(answer.calls, thread);
          if (!mayAskAgain(answer, ++broken)) throw causeOf(answer.error, cap);
          emit({
            type: "error",
            message: `The answer broke off; its calls were not run. ${answer.error.message}`,
          });
          continue;
        }
        if (answer.usage) thread.measure(totalTokens(answer.usage));
        for await (const output of runCalls(answer.calls, scope))
          await thread.append([{ type: "item", item: output }]);
        stop.signal.throwIfAborted();
        resting = answer.calls.length === 0;
      }
    } catch (error) {
      failure = stopReason(stop.signal) ?? toMohoError(error);
      stop.abort(failure);
      await killAll(feed.running());
    }
    failure = await recordEnd(thread, meter, failure);
    stop.release();
    release();
    feed.close();
    emit(failure ? turnFailed(failure, meter) : { type: "turn.completed", usage: turnUsage(meter) });
  });
}

/** What a turn adds to its thread before the first request: what changed around it, and the user's words. */
async function openingRecords(
  deps: TurnDeps,
  thread: Thread,
  input: TurnInput,
  { cwd, home, approval }: TurnOptions,
  emit: (event: ThreadEvent) => void,
): Promise<ThreadRecord[]> {
  const docs = await readProjectDocs(deps, cwd, home);
  for (const message of docs.warnings) emit({ type: "error", message });
  const sandbox = deps.environment.policy;
  const context = contextRecord(thread.state.context, { cwd, sandbox, approval, docs, now: deps.now() });
  const content: ContentPart[] = typeof input === "string" ? [{ type: "input_text", text: input }] : input;
  return [
    { type: "turn", phase: "started", model: deps.model.info().id },
    ...(context ? [context] : []),
    { type: "item", item: { type: "message", role: "user", content } },
  ];
}

function callScope(
  { environment, sessions, files, commandEnv, now, approve }: TurnDeps,
  { cwd, approval }: TurnOptions,
  feed: ItemFeed,
  signal: AbortSignal,
): CallScope {
  const { follow } = feed;
  return {
    context: { cwd, environment, sessions, files, commandEnv, follow, now, signal },
    feed,
    approval,
    approve,
  };
}

/** The calls of an answer that did not complete never act; each gets an output that says so. */
async function refuseCalls(calls: readonly ToolCallItem[], thread: Thread): Promise<void> {
  const why = "the model's answer broke off, so the call may not be what it meant.";
  await thread.append(calls.map((call) => ({ type: "item", item: notRun(call, why) })));
}

/**
 * The model client retries answers that broke off before any call was whole; behind a whole call only the turn can
 * ask again, with the call's refusal in the history.
 */
function mayAskAgain({ calls, error }: Answer, broken: number): boolean {
  return calls.length > 0 && error?.retryable === true && broken <= BROKEN_ANSWERS;
}

function causeOf(error: MohoError, cap: number | undefined): MohoError {
  if (cap === undefined || error.code !== "output_limit") return error;
  const message = `The cost limit left ${cap} tokens for an answer that needed more.`;
  return new MohoError("cost_limit_reached", message, { cause: error });
}

/** Records how the turn ended. A log that cannot be written fails the turn, if nothing did before. */
async function recordEnd(
  thread: Thread,
  { usage, cost }: Meter,
  failure: MohoError | undefined,
): Promise<MohoError | undefined> {
  const totals = { usage, ...(cost !== undefined && { cost }), measured: thread.state.measured };
  const error = failure && { code: failure.code, message: failure.message };
  try {
    await thread.append([
      error
        ? { type: "turn", phase: "failed", error, ...totals }
        : { type: "turn", phase: "completed", ...totals },
    ]);
    return failure;
  } catch (cause) {
    return failure ?? toMohoError(cause);
  }
}

function turnFailed(failure: MohoError, meter: Meter): ThreadEvent {
  const { message, code, category, retryable, next, requestId } = failure;
  const error = { message, code, category, retryable, next, ...(requestId && { request_id: requestId }) };
  return { type: "turn.failed", error, usage: turnUsage(meter) };
}

function busy(thread: Thread): MohoError {
  return new MohoError("thread_busy", `A turn of thread ${thread.id} is running already.`, {
    next: "Wait for it to end.",
  });
}
