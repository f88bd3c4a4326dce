/** A model that says what the test wrote, and remembers what it was asked. */

import type { ModelClient, ModelInfo } from "@moho/model";
import type { Item, ModelEvent, ResponsesRequest, Usage } from "@moho/protocol";

export const INFO: ModelInfo = {
  id: "openai.gpt-6.1-sol",
  contextWindow: 272_000,
  maxOutput: 100_000,
  patchTool: "custom",
  efforts: ["low", "medium", "high"],
  defaultEffort: "low",
  parallelTools: true,
  verbosity: true,
  price: { input: 1250, cacheRead: 125, cacheWrite: 1250, output: 10_000 },
  known: true,
};

export const USAGE: Usage = { input: 1000, cacheRead: 500, cacheWrite: 0, output: 100, reasoning: 20 };

/** What the model answers to one request. */
export type Answer = (
  request: ResponsesRequest,
  options: { signal: AbortSignal },
) => AsyncIterable<ModelEvent> | Iterable<ModelEvent>;

export interface ScriptedModel extends ModelClient {
  /** Every request, serialised when it came. */
  readonly requests: string[];
}

export function scriptedModel(answers: readonly Answer[], info: Partial<ModelInfo> = {}): ScriptedModel {
  const requests: string[] = [];
  return {
    requests,
    info: () => ({ ...INFO, ...info }),
    async *stream(request, options) {
      const answer = answers[Math.min(requests.length, answers.length - 1)]!;
      requests.push(JSON.stringify(request));
      yield* answer(request, options);
    },
  };
}

/** An answer of whole items that completes. */
export function say(...items: Item[]): Answer {
  return () => [...done(items), completed()];
}

/** Items that were done before the stream failed. */
export function fail(
  error: Extract<ModelEvent, { type: "failed" }>["error"],
  items: Item[] = [],
  usage?: Usage,
): Answer {
  return () => [...done(items), { type: "failed", error, usage }];
}

export function done(items: readonly Item[]): ModelEvent[] {
  return items.map((item, index) => ({ type: "item.done", index, item }));
}

export function completed(usage: Usage | undefined = USAGE): ModelEvent {
  return { type: "completed", responseId: "resp_1", requestId: "req_1", usage };
}

let calls = 0;

export function message(text: string): Item {
  return { type: "message", role: "assistant", content: [{ type: "output_text", text }] };
}

export function reasoning(text: string): Item {
  return {
    type: "reasoning",
    summary: [{ type: "summary_text", text }],
    encrypted_content: `secret-of-${text}`,
  };
}

export function call(name: string, args: unknown, id = `call_${++calls}`): Item {
  const text = typeof args === "string" ? args : JSON.stringify(args);
  return { type: "function_call", call_id: id, name, arguments: text };
}

export function exec(cmd: string, more: Record<string, unknown> = {}, id?: string): Item {
  return call("exec_command", { cmd, ...more }, id);
}

export function patch(input: string, id = `call_${++calls}`): Item {
  return { type: "custom_tool_call", call_id: id, name: "apply_patch", input };
}
