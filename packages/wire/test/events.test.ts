import type { Item, ModelEvent, MohoError, Usage } from "@moho/protocol";
import { calls, callsFreeform, randomChunks, says, seededRandom, thinks } from "@moho/testkit";
import {
  type AnswerEnd,
  formatResponsesEvent,
  formatSse,
  ResponsesFold,
  type ResponsesStreamEvent,
  responsesEvents,
  SseParser,
} from "@moho/wire";
import { describe, expect, it } from "vitest";

const USAGE: Usage = { input: 10, cacheRead: 4, cacheWrite: 2, output: 5, reasoning: 3 };
const CONTEXT = { endpoint: "Bedrock Mantle", model: "openai.gpt-5.5", region: "us-east-1" };

function answer(items: readonly Item[], end?: AnswerEnd): ResponsesStreamEvent[] {
  const base = { id: "resp_1", model: "m", createdAt: 1, items, usage: USAGE };
  return [...responsesEvents(end === undefined ? base : { ...base, end }, 4)];
}

function fold(chunks: Iterable<Uint8Array>): ModelEvent[] {
  const parser = new SseParser();
  const folding = new ResponsesFold(CONTEXT, "req_1");
  const events = [...chunks].flatMap((chunk) => parser.push(chunk).flatMap((event) => folding.push(event)));
  return [...events, ...parser.end().flatMap((event) => folding.push(event)), ...folding.end()];
}
const foldText = (text: string): ModelEvent[] => fold([Buffer.from(text)]);
const foldEvents = (events: readonly ResponsesStreamEvent[]): ModelEvent[] =>
  foldText(events.map(formatResponsesEvent).join(""));

const done = (events: readonly ModelEvent[]): Item[] =>
  events.filter((event) => event.type === "item.done").map((event) => event.item);
const warnings = (events: readonly ModelEvent[]): string[] =>
  events.filter((event) => event.type === "warning").map((event) => event.message);

/** Exactly one last event, and it is the last. */
function last(events: readonly ModelEvent[]): ModelEvent & { type: "completed" | "failed" } {
  const ends = events.filter((event) => event.type === "completed" || event.type === "failed");
  expect(ends).toHaveLength(1);
  expect(events.at(-1)).toBe(ends[0]);
  return ends[0]!;
}
function failure(events: readonly ModelEvent[]): MohoError {
  const event = last(events);
  if (event.type !== "failed") throw new Error("the answer completed");
  return event.error;
}
const text = (
  events: readonly ModelEvent[],
  type: "text.delta" | "reasoning.delta" | "arguments.delta",
): string => events.map((event) => (event.type === type ? event.delta : "")).join("");

const CALL = calls("exec_command", { cmd: "ls" }, "call_1");
const whole = answer([
  thinks("I look first"),
  says("Grüße 😀"),
  CALL,
  callsFreeform("apply_patch", "*** Begin", "call_2"),
]);

describe("a whole answer", () => {
  const events = foldEvents(whole);

  it("hands on each item once, when it is done", () => {
    expect(done(events).map((item) => item.type)).toEqual([
      "reasoning",
      "message",
      "function_call",
      "custom_tool_call",
    ]);
    expect(done(events)[2]).toMatchObject(CALL);
  });
  it("streams text, reasoning and arguments", () => {
    expect(text(events, "text.delta")).toBe("Grüße 😀");
    expect(text(events, "reasoning.delta")).toBe("I look first");
    expect(text(events, "arguments.delta")).toBe('{"cmd":"ls"}*** Begin');
  });
  it("completes with ids and usage", () => {
    expect(last(events)).toEqual({
      type: "completed",
      responseId: "resp_1",
      requestId: "req_1",
      usage: USAGE,
    });
  });
  it("is the same however its bytes are cut", () => {
    const bytes = Buffer.from(whole.map(formatResponsesEvent).join(""));
    for (let seed = 1; seed <= 50; seed++) {
      expect(fold(randomChunks(bytes, seededRandom(seed), 1 + (seed % 40)))).toEqual(events);
    }
  });
  it("is the same without event names", () => {
    expect(foldText(whole.map((event) => formatSse("", JSON.stringify(event))).join(""))).toEqual(events);
  });
  it("ignores what comes after its end, unknown events, comments and [DONE]", () => {
    const noise =
      ': ping\n\nevent: response.wonder\ndata: {"type":"response.wonder"}\n\nevent: ping\ndata: ping\n\n';
    const body = whole.map(formatResponsesEvent).join(noise);
    expect(foldText(`${noise}${body}data: [DONE]\n\n${formatResponsesEvent(whole[0]!)}data: {\n\n`)).toEqual(
      events,
    );
  });
});

describe("cut at any event, it never completes and never hands on an unfinished call", () => {
  for (let n = 0; n < whole.length; n++) {
    it(`${n} of ${whole.length} events`, () => {
      const kept = whole.slice(0, n);
      const events = foldEvents(kept);
      const finished = kept.filter((event) => event.type === "response.output_item.done").length;
      const begun = kept.filter((event) => event.type === "response.output_item.added").length;
      const error = failure(events);
      expect(error.code).toBe("stream_interrupted");
      expect(error.details).toMatchObject({ itemsDone: finished, itemsOpen: begun - finished });
      expect(done(events)).toHaveLength(finished);
    });
  }

  it("and cut at any byte", () => {
    const bytes = Buffer.from(whole.map(formatResponsesEvent).join(""));
    // The last bytes are the blank line behind a whole last event.
    for (let end = 0; end < bytes.length - 2; end += 7) {
      const events = fold([bytes.subarray(0, end)]);
      const error = failure(events);
      expect(error.code).toBe("stream_interrupted");
      for (const item of done(events)) if (item.type === "function_call") expect(item).toMatchObject(CALL);
    }
    expect(last(fold([bytes.subarray(0, bytes.length - 2)])).type).toBe("completed");
  });

  it("says what was cut", () => {
    const inCall = whole.findIndex((event) => event.type === "response.function_call_arguments.delta") + 1;
    expect(failure(foldEvents(whole.slice(0, inCall))).message).toContain(
      "in the middle of the call of `exec_command`",
    );
  });
});

describe("a failure reported by the server", () => {
  const failed = (code: string, message = "words"): ResponsesStreamEvent =>
    answer([], { status: "failed", code, message }).at(-1)!;

  it("after whole output keeps the answer (STREAM-1)", () => {
    const events = foldEvents([...whole.slice(0, -1), failed("server_error", "An error occurred")]);
    expect(done(events)).toHaveLength(4);
    expect(warnings(events)).toEqual([expect.stringContaining("An error occurred")]);
    expect(last(events)).toMatchObject({ type: "completed", usage: USAGE });
  });
  it("after whole output as a bare error keeps it as well", () => {
    const events = foldText(
      `${whole.slice(0, -1).map(formatResponsesEvent).join("")}event: error\ndata: {"type":"error","code":"server_error","message":"late"}\n\n`,
    );
    expect(last(events).type).toBe("completed");
  });
  it("before whole output fails", () => {
    for (let n = 0; n < whole.length - 1; n++) {
      const kept = whole.slice(0, n);
      const open =
        kept.filter((e) => e.type === "response.output_item.added").length >
        kept.filter((e) => e.type === "response.output_item.done").length;
      const items = kept.filter((e) => e.type === "response.output_item.done").length;
      const events = foldEvents([...kept, failed("server_error")]);
      // One finished reasoning item is nothing to act on.
      expect(last(events).type).toBe(open || items < 2 ? "failed" : "completed");
    }
  });
  it("after a commentary alone fails: more was to come", () => {
    const events = foldEvents([
      ...answer([{ ...says("I will look"), phase: "commentary" }]).slice(0, -1),
      failed("server_error"),
    ]);
    expect(failure(events).code).toBe("upstream_error");
  });

  const codes: [string, string, string, number?][] = [
    ["rate_limit_exceeded", "Rate limit reached. Please try again in 810ms.", "throttled", 0.81],
    ["server_error", "An error occurred", "upstream_error"],
    ["server_is_overloaded", "busy", "overloaded"],
    ["context_length_exceeded", "too long", "context_overflow"],
    ["insufficient_quota", "no money", "quota_zero"],
    ["invalid_prompt", "flagged", "content_filtered"],
    ["never_seen_before", "what?", "upstream_error"],
  ];
  for (const [code, message, expected, retryAfter] of codes) {
    it(`${code} is ${expected}`, () => {
      const error = failure(foldEvents([...whole.slice(0, 3), failed(code, message)]));
      expect(error.code).toBe(expected);
      expect(error.retryAfter).toBe(retryAfter);
      expect(error.message).toContain(message);
      expect(error.requestId).toBe("req_1");
    });
  }

  for (const data of [
    '{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}',
    '{"type":"error","code":"rate_limit_exceeded","message":"slow","param":null}',
    '{"error":{"code":"rate_limit_exceeded","message":"slow"}}',
  ]) {
    it(`bare error ${data}`, () =>
      expect(failure(foldText(`event: error\ndata: ${data}\n\n`)).code).toBe("throttled"));
  }
});

describe("an incomplete answer", () => {
  it("at the output limit", () => {
    const cut = { ...says("half a sen"), status: "incomplete" };
    const events = foldEvents(answer([cut], { status: "incomplete", reason: "max_output_tokens" }));
    expect(done(events)).toEqual([]);
    expect(failure(events).code).toBe("output_limit");
    expect(last(events)).toMatchObject({ usage: USAGE });
  });
  it("never hands on a call that was cut off, even when it is called done", () => {
    for (const status of ["incomplete", "in_progress"]) {
      const events = foldEvents(
        answer([{ ...CALL, arguments: '{"cmd":"rm -rf /', status }], {
          status: "incomplete",
          reason: "max_output_tokens",
        }),
      );
      expect(done(events)).toEqual([]);
    }
  });
  it("by the content filter", () => {
    expect(failure(foldEvents(answer([], { status: "incomplete", reason: "content_filter" }))).code).toBe(
      "content_filtered",
    );
  });
  it("for a reason nobody knows", () => {
    const event = { type: "response.incomplete", response: { incomplete_details: { reason: "tea" } } };
    expect(failure(foldText(formatSse("", JSON.stringify(event))))).toMatchObject({
      code: "upstream_error",
      message: expect.stringContaining("tea"),
    });
  });
});

describe("items that come only with the completed response", () => {
  const completed = whole.at(-1)!;
  it("are taken when none was done", () => {
    const events = foldEvents([whole[0]!, completed]);
    expect(done(events).map((item) => item.type)).toEqual([
      "reasoning",
      "message",
      "function_call",
      "custom_tool_call",
    ]);
    expect(last(events).type).toBe("completed");
  });
  it("bring the calls that were missed, no call twice", () => {
    const kept = whole.filter((e) => e.type !== "response.output_item.done" || e["output_index"] !== 3);
    const events = foldEvents(kept);
    expect(done(events).map((item) => item["call_id"])).toEqual([undefined, undefined, "call_1", "call_2"]);
    expect(last(events).type).toBe("completed");
  });
  it("bring nothing that was done under another id", () => {
    const renamed = JSON.parse(JSON.stringify(completed)) as { response: { output: Item[] } };
    for (const item of renamed.response.output) item.id = "other";
    const events = foldEvents([...whole.slice(0, -1), renamed as unknown as ResponsesStreamEvent]);
    expect(done(events)).toHaveLength(4);
  });
  it("do not make an unfinished call whole", () => {
    const output = [{ ...CALL, arguments: '{"cmd":"r', status: "incomplete" }];
    const events = foldText(
      formatSse("", JSON.stringify({ type: "response.completed", response: { id: "r", output } })),
    );
    expect(done(events)).toEqual([]);
  });
  it("a call that was begun and never finished fails the answer", () => {
    const added = whole.filter((e) => e.type === "response.output_item.added" && e["output_index"] === 2);
    const events = foldEvents([
      ...added,
      { type: "response.completed", sequence_number: 9, response: { id: "r", output: [] } },
    ]);
    expect(failure(events)).toMatchObject({
      code: "stream_interrupted",
      message: expect.stringContaining("not the call of `exec_command`"),
    });
  });
  it("a message that was begun and never finished is a warning", () => {
    const added = whole.filter((e) => e.type === "response.output_item.added" && e["output_index"] === 1);
    const events = foldEvents([
      ...added,
      { type: "response.completed", sequence_number: 9, response: { id: "r" } },
    ]);
    expect(warnings(events)).toEqual([expect.stringContaining("a message")]);
    expect(last(events)).toMatchObject({ type: "completed", usage: undefined });
  });
  it("the same call announced done twice runs once", () => {
    const doneCall = whole.find((e) => e.type === "response.output_item.done" && e["output_index"] === 2)!;
    expect(done(foldEvents([...whole.slice(0, -1), doneCall, completed]))).toHaveLength(4);
  });
});

describe("what is broken", () => {
  it("a malformed event fails with its beginning", () => {
    const error = failure(foldText('event: response.output_text.delta\ndata: {"delta":\n\n'));
    expect(error.code).toBe("upstream_error");
    expect(error.message).toContain('{"delta":');
  });
  for (const data of ["null", "7", '"x"', "true"]) {
    it(`${data} is no event`, () =>
      expect(failure(foldText(`data: ${data}\n\n`)).code).toBe("upstream_error"));
  }
  it("an event without limits fails", () => {
    const folding = new ResponsesFold(CONTEXT);
    expect(failure(folding.push({ event: "", data: "", fault: "too_large" })).message).toContain("larger");
  });
  it("members of the wrong kind are not taken", () => {
    const odd = [
      { type: "response.output_text.delta", delta: 7 },
      { type: "response.output_item.done", item: null },
      {
        type: "response.output_item.done",
        item: { type: "function_call", call_id: 1, name: "x", arguments: "{}" },
      },
      { type: "response.output_item.done", item: { type: "message", role: "assistant" } },
      { type: "constructor", delta: "x" },
      { type: 5 },
      [],
    ];
    const events = foldText(odd.map((event) => formatSse("", JSON.stringify(event))).join(""));
    expect(events.map((event) => event.type)).toEqual(["failed"]);
    expect(failure(events).code).toBe("stream_interrupted");
  });
  it("an empty stream is an interruption", () => expect(failure(fold([])).code).toBe("stream_interrupted"));
  it("contradicting usage is a warning", () => {
    const response = {
      id: "r",
      usage: { input_tokens: 1, output_tokens: 1, input_tokens_details: { cached_tokens: 5 } },
    };
    expect(
      warnings(foldText(formatSse("", JSON.stringify({ type: "response.completed", response })))),
    ).toEqual([expect.stringContaining("contradicts")]);
  });
});
