/** ConverseStream messages to hub events: order, faults, and cuts at every byte. */

import type { Item, ModelEvent, MohoError, ResponsesRequest, Usage } from "@moho/protocol";
import { randomChunks, seededRandom } from "@moho/testkit";
import {
  ConverseFold,
  ConverseTap,
  EventStreamDecoder,
  EventStreamEncoder,
  hubToConverse,
  peekConverse,
} from "@moho/wire";
import { describe, expect, it } from "vitest";
import { CLAUDE } from "./converse-answers.ts";

const CONTEXT = { endpoint: "Bedrock Runtime", model: "m", region: "us-east-1" };
const frames = new EventStreamEncoder();

type Step = [type: string, payload: unknown];
const bytesOf = (steps: readonly Step[]): Buffer =>
  Buffer.concat(
    steps.map(([type, payload]) =>
      type.endsWith("Exception")
        ? frames.exception(type, JSON.stringify(payload))
        : frames.event(type, typeof payload === "string" ? payload : JSON.stringify(payload)),
    ),
  );

const start: Step = ["messageStart", { role: "assistant" }];
const text = (at: number, words: string): Step => [
  "contentBlockDelta",
  { contentBlockIndex: at, delta: { text: words } },
];
const thought = (at: number, content: object): Step => [
  "contentBlockDelta",
  { contentBlockIndex: at, delta: { reasoningContent: content } },
];
const open = (at: number, toolUseId: string, name = "ls"): Step => [
  "contentBlockStart",
  { contentBlockIndex: at, start: { toolUse: { toolUseId, name } } },
];
const input = (at: number, json: string): Step => [
  "contentBlockDelta",
  { contentBlockIndex: at, delta: { toolUse: { input: json } } },
];
const stop = (at: number): Step => ["contentBlockStop", { contentBlockIndex: at }];
const last = (stopReason: string): Step => ["messageStop", { stopReason }];
const metadata: Step = [
  "metadata",
  {
    usage: {
      inputTokens: 10,
      outputTokens: 5,
      totalTokens: 21,
      cacheReadInputTokens: 4,
      cacheWriteInputTokens: 2,
    },
    metrics: { latencyMs: 3 },
    p: "abcdef",
  },
];
const USAGE: Usage = { input: 10, cacheRead: 4, cacheWrite: 2, output: 5, reasoning: 0 };

function fold(chunks: Iterable<Uint8Array>, request?: ResponsesRequest): ModelEvent[] {
  const decoder = new EventStreamDecoder();
  const names = request && hubToConverse(request, CLAUDE).names;
  const folding = new ConverseFold(CONTEXT, "req_1", names);
  const events = [...chunks].flatMap((chunk) =>
    decoder.push(chunk).flatMap((message) => folding.push(message)),
  );
  return [...events, ...decoder.end().flatMap((message) => folding.push(message)), ...folding.end()];
}
const foldSteps = (...steps: Step[]): ModelEvent[] => fold([bytesOf(steps)]);
const done = (events: readonly ModelEvent[]): Item[] =>
  events.flatMap((event) => (event.type === "item.done" ? [event.item] : []));
const deltas = (events: readonly ModelEvent[], type: ModelEvent["type"]): string =>
  events.map((event) => (event.type === type && "delta" in event ? event.delta : "")).join("");
const warnings = (events: readonly ModelEvent[]): string[] =>
  events.flatMap((event) => (event.type === "warning" ? [event.message] : []));

function end(events: readonly ModelEvent[]): ModelEvent & { type: "completed" | "failed" } {
  const ends = events.filter((event) => event.type === "completed" || event.type === "failed");
  expect(ends).toHaveLength(1);
  expect(events.at(-1)).toBe(ends[0]);
  return ends[0]!;
}
function failure(events: readonly ModelEvent[]): MohoError {
  const event = end(events);
  if (event.type !== "failed") throw new Error("the answer completed");
  return event.error;
}

const WHOLE: Step[] = [
  start,
  thought(0, { text: "I look" }),
  thought(0, { text: " first" }),
  thought(0, { signature: "c2ln" }),
  stop(0),
  text(1, "Grüße "),
  text(1, "😀"),
  stop(1),
  open(2, "t1"),
  input(2, '{"path"'),
  input(2, ':"/"}'),
  stop(2),
  open(3, "t2", "pwd"),
  stop(3),
  last("tool_use"),
  metadata,
];

describe("a whole answer", () => {
  const events = foldSteps(...WHOLE);
  it("hands on each item once, when its block has ended", () => {
    expect(done(events)).toMatchObject([
      { type: "reasoning", summary: [{ text: "I look first" }], encrypted_content: "moho.thinking.c2ln" },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "Grüße 😀" }] },
      { type: "function_call", call_id: "t1", name: "ls", arguments: '{"path":"/"}' },
      { type: "function_call", call_id: "t2", name: "pwd", arguments: "{}" },
    ]);
  });
  it("streams text, reasoning and arguments under the items' indices", () => {
    expect(deltas(events, "text.delta")).toBe("Grüße 😀");
    expect(deltas(events, "reasoning.delta")).toBe("I look first");
    expect(deltas(events, "arguments.delta")).toBe('{"path":"/"}{}');
    expect(events.flatMap((event) => (event.type === "item.started" ? [event.index] : []))).toEqual([
      0, 1, 2, 3,
    ]);
  });
  it("completes with the usage in disjoint buckets", () => {
    expect(end(events)).toEqual({
      type: "completed",
      responseId: undefined,
      requestId: "req_1",
      usage: USAGE,
    });
    expect(warnings(events)).toEqual([]);
  });
  it("is the same however its bytes are cut", () => {
    const bytes = bytesOf(WHOLE);
    for (let seed = 1; seed <= 40; seed++) {
      expect(fold(randomChunks(bytes, seededRandom(seed), 1 + seed * 2))).toEqual(events);
    }
  });
  it("ignores what comes after its end, and events that it does not know", () => {
    const noise: Step = ["newEvent", { a: 1 }];
    expect(foldSteps(...WHOLE.flatMap((step) => [noise, step]), text(9, "more"), last("end_turn"))).toEqual(
      events,
    );
  });
});

describe("cut at any byte", () => {
  it("it ends exactly once, and an unfinished call is never handed on", () => {
    const bytes = bytesOf(WHOLE);
    const whole = done(foldSteps(...WHOLE));
    const stopAt = bytes.indexOf("messageStop") - 24;
    for (let cut = 0; cut < bytes.length; cut++) {
      const events = fold([bytes.subarray(0, cut)]);
      const items = done(events);
      expect(items).toEqual(whole.slice(0, items.length));
      if (cut <= stopAt) expect(failure(events).code).toBe("stream_interrupted");
      else if (end(events).type === "completed") expect(items).toEqual(whole);
    }
  });
  it("with one bit flipped, it ends exactly once and no item is altered", () => {
    const bytes = bytesOf(WHOLE);
    const whole = done(foldSteps(...WHOLE));
    for (let at = 0; at < bytes.length; at += 3) {
      const bad = Buffer.from(bytes);
      bad[at]! ^= 0x10;
      const events = fold([bad]);
      expect(done(events)).toEqual(whole.slice(0, done(events).length));
      end(events);
    }
  });
});

describe("how an answer ends", () => {
  it.each([
    ["max_tokens", "output_limit"],
    ["guardrail_intervened", "content_filtered"],
    ["content_filtered", "content_filtered"],
    ["model_context_window_exceeded", "context_overflow"],
    ["malformed_model_output", "upstream_error"],
    ["malformed_tool_use", "upstream_error"],
  ])("%s is %s, with the usage", (reason, code) => {
    const events = foldSteps(start, text(0, "x"), stop(0), last(reason), metadata);
    expect(failure(events).code).toBe(code);
    expect(end(events)).toMatchObject({ usage: USAGE });
    expect(done(events)).toHaveLength(1);
  });
  it.each(["end_turn", "stop_sequence", "something_new"])("%s completes", (reason) => {
    expect(end(foldSteps(start, text(0, "x"), stop(0), last(reason), metadata)).type).toBe("completed");
  });
  it("what messageStop said first decides", () => {
    const events = foldSteps(start, text(0, "x"), stop(0), last("max_tokens"), last("end_turn"), metadata);
    expect(failure(events).code).toBe("output_limit");
  });
  it("without metadata it is kept, with a warning that the usage is not known", () => {
    const events = foldSteps(...WHOLE.slice(0, -1));
    expect(end(events)).toMatchObject({ type: "completed", usage: undefined });
    expect(warnings(events)).toHaveLength(1);
  });
  it("metadata in front of messageStop counts as well", () => {
    expect(end(foldSteps(start, text(0, "x"), stop(0), metadata, last("end_turn")))).toMatchObject({
      usage: USAGE,
    });
  });
  it("a text block left open is closed, a call is not", () => {
    expect(done(foldSteps(start, text(0, "x"), last("end_turn"), metadata))).toHaveLength(1);
    const cut = foldSteps(start, open(0, "t"), input(0, "{}"), last("tool_use"), metadata);
    expect(done(cut)).toEqual([]);
    expect(failure(cut).code).toBe("stream_interrupted");
  });
  it("a call cut off by the token limit is not handed on, even when its block was closed", () => {
    const events = foldSteps(
      start,
      open(0, "t"),
      input(0, '{"path":"/et'),
      stop(0),
      last("max_tokens"),
      metadata,
    );
    expect(done(events)).toEqual([]);
    expect(failure(events)).toMatchObject({ code: "output_limit", details: { itemsOpen: 1, itemsDone: 0 } });
  });
  it("a call with odd input is handed on when the model wanted it so", () => {
    const events = foldSteps(start, open(0, "t"), input(0, "{path:1}"), stop(0), last("tool_use"), metadata);
    expect(done(events)).toMatchObject([{ call_id: "t", arguments: "{path:1}" }]);
    expect(end(events).type).toBe("completed");
  });
  it("a usage that contradicts itself is a warning", () => {
    const odd: Step = ["metadata", { usage: { inputTokens: 1, outputTokens: 1, totalTokens: 7 } }];
    expect(warnings(foldSteps(start, text(0, "x"), stop(0), last("end_turn"), odd))[0]).toContain("total 7");
  });
});

describe("a failure in the stream", () => {
  it.each([
    ["throttlingException", "throttled"],
    ["serviceUnavailableException", "overloaded"],
    ["internalServerException", "upstream_error"],
    ["modelStreamErrorException", "upstream_error"],
    ["validationException", "upstream_refused"],
  ])("%s is %s", (type, code) => {
    const events = foldSteps(start, text(0, "x"), stop(0), [type, { message: "No." }]);
    expect(failure(events)).toMatchObject({ code, message: expect.stringContaining("No.") });
  });
  it("an error message of the framing itself is told too", () => {
    const decoder = new EventStreamDecoder();
    const folding = new ConverseFold(CONTEXT);
    const [message] = decoder.push(frames.event("x", ""));
    const headers = new Map([
      [":message-type", "error"],
      [":error-code", "InternalFailure"],
      [":error-message", "It fell over."],
    ]);
    expect(failure(folding.push({ ...message!, headers })).message).toContain("It fell over.");
  });
  it("behind messageStop it comes too late: the answer is kept", () => {
    const events = foldSteps(...WHOLE.slice(0, -1), ["modelStreamErrorException", { message: "late" }]);
    expect(end(events).type).toBe("completed");
    expect(warnings(events).join()).toContain("late");
    expect(done(events)).toHaveLength(4);
  });
  it("an event that is not JSON ends it", () => {
    expect(failure(foldSteps(start, ["contentBlockDelta", "{"])).code).toBe("upstream_error");
  });
});

describe("blocks", () => {
  it("of another kind at the same place end what was open there", () => {
    const events = foldSteps(
      start,
      thought(0, { text: "hm" }),
      text(0, "x"),
      stop(0),
      last("end_turn"),
      metadata,
    );
    expect(done(events).map((item) => item.type)).toEqual(["reasoning", "message"]);
  });
  it("of redacted reasoning keep their blob", () => {
    const events = foldSteps(
      start,
      thought(0, { redactedContent: "AQID" }),
      stop(0),
      last("end_turn"),
      metadata,
    );
    expect(done(events)).toEqual([
      { type: "reasoning", summary: [], encrypted_content: "moho.redacted.AQID" },
    ]);
  });
  it("that the provider's own tools made are no calls of the client", () => {
    const own: Step = [
      "contentBlockStart",
      {
        contentBlockIndex: 0,
        start: { toolUse: { toolUseId: "t", name: "search", type: "server_tool_use" } },
      },
    ];
    expect(
      done(foldSteps(start, own, input(0, "{}"), stop(0), text(1, "x"), stop(1), last("end_turn"), metadata)),
    ).toHaveLength(1);
  });
  it("give back the client's names, freeform texts and namespaces", () => {
    const request: ResponsesRequest = {
      model: "m",
      input: "x",
      tools: [
        { type: "custom", name: "apply_patch" },
        { type: "namespace", name: "mcp__git", tools: [{ type: "function", name: "log", parameters: {} }] },
        { type: "tool_search", execution: "client" },
      ],
    };
    const steps = [
      start,
      ...[open(0, "a", "apply_patch"), input(0, '{"input":"*** Be'), input(0, 'gin\\n"}'), stop(0)],
      ...[open(1, "b", "mcp__git__log"), input(1, "{}"), stop(1)],
      ...[open(2, "c", "tool_search"), input(2, '{"query":"x"}'), stop(2)],
      last("tool_use"),
      metadata,
    ];
    const events = fold([bytesOf(steps)], request);
    expect(done(events)).toMatchObject([
      { type: "custom_tool_call", call_id: "a", name: "apply_patch", input: "*** Begin\n" },
      { type: "function_call", call_id: "b", name: "log", namespace: "mcp__git", arguments: "{}" },
      { type: "tool_search_call", call_id: "c", arguments: { query: "x" } },
    ]);
    expect(deltas(events, "arguments.delta")).toBe("*** Begin\n{}");
  });
});

describe("the tap", () => {
  const read = (chunks: Iterable<Uint8Array>, type = "application/vnd.amazon.eventstream") => {
    let first = 0;
    const tap = new ConverseTap(type, () => first++);
    for (const chunk of chunks) tap.write(chunk);
    const { atBoundary } = tap.reading;
    tap.end();
    return { ...tap.reading, atBoundary, first };
  };
  it("reads usage, characters and the end", () => {
    for (let seed = 0; seed < 10; seed++) {
      expect(read(randomChunks(bytesOf(WHOLE), seededRandom(seed), 50))).toMatchObject({
        usage: USAGE,
        status: "tool_use",
        terminal: true,
        atBoundary: true,
        first: 1,
        outputCharacters: "I look firstGrüße 😀".length + '{"path":"/"}'.length,
      });
    }
  });
  it("knows a stream that did not end, and one that failed", () => {
    const bytes = bytesOf(WHOLE.slice(0, 7));
    expect(read([bytes.subarray(0, -3)])).toMatchObject({
      terminal: false,
      atBoundary: false,
      usage: undefined,
    });
    expect(read([bytesOf([start, ["throttlingException", { message: "slow" }]])])).toMatchObject({
      status: "failed",
      terminal: true,
      failure: { code: "throttlingException", message: "slow" },
    });
  });
  it("reads a JSON body", () => {
    const body = { output: {}, stopReason: "end_turn", usage: (metadata[1] as { usage: unknown }).usage };
    expect(read([Buffer.from(JSON.stringify(body))], "application/json")).toMatchObject({
      usage: USAGE,
      status: "end_turn",
      terminal: true,
      first: 0,
    });
    expect(read([Buffer.from("{")], "application/json")).toMatchObject({ terminal: false, usage: undefined });
  });
});

describe("the peek", () => {
  const peek = (body: unknown) =>
    peekConverse(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));
  it("reads what governs", () => {
    expect(
      peek({
        inferenceConfig: { maxTokens: 77, temperature: 1 },
        serviceTier: { type: "flex" },
        performanceConfig: { latency: "optimized" },
        guardrailConfig: { guardrailIdentifier: "g", guardrailVersion: "DRAFT" },
        toolConfig: { tools: [] },
        messages: [
          {
            role: "user",
            content: [{ image: { source: { s3Location: {} } } }, { document: {} }, { text: "image" }],
          },
          { role: "user", content: [{ toolResult: { content: [{ image: {} }, { video: {} }] } }] },
        ],
      }),
    ).toMatchObject({
      maxOutputTokens: 77,
      serviceTier: "flex",
      latency: "optimized",
      guardrail: { id: "g", version: "DRAFT" },
      prompt: false,
      tools: true,
      input: { image: 2, file: 1, video: 1, audio: 0, stored: 1, guarded: 0 },
    });
  });
  it("sees through escapes in nested keys", () => {
    expect(peek('{"messages":[{"content":[{"im\\u0061ge":{}}]}]}').input.image).toBe(1);
  });
  it.each([
    '{"inferenceConfig":{"maxTokens":1,"maxTokens":9}}',
    '{"inferenceConfig":{"maxTokens":1},"inferenceConfig":{"maxTokens":9}}',
    '{"inferenceConfig":{"maxTokens":1,"MaxTokens":9}}',
    '{"inferenceConfig":{"m\\u0061xTokens":9}}',
    '{"InferenceConfig":{"maxTokens":9}}',
    '{"inferenceConfig":{"maxTokens":1e3}}',
    '{"inferenceConfig":[]}',
    '{"guardrailConfig":{"guardrailIdentifier":5}}',
    '{"messages":{}}',
    "[]",
    '{"messages":[}',
  ])("refuses what two parsers could read differently: %s", (body) => {
    expect(() => peek(body)).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });
});
