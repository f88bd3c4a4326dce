import { type Item, type ModelEvent, MohoError } from "@moho/protocol";
import {
  hubToResponses,
  MessagesEncoder,
  MessagesFold,
  MessagesTap,
  messagesToHub,
  peekMessages,
} from "@moho/wire";
import { describe, expect, it } from "vitest";

const CONTEXT = { endpoint: "http://anthropic" };
type Event = Record<string, unknown> & { type: string };

function run(events: readonly Event[], cause?: unknown): ModelEvent[] {
  const fold = new MessagesFold(CONTEXT);
  const folded = events.flatMap((event) => fold.push({ event: event.type, data: JSON.stringify(event) }));
  return [...folded, ...fold.end(cause)];
}
const done = (events: readonly ModelEvent[]): Item[] =>
  events.flatMap((event) => (event.type === "item.done" ? [event.item] : []));
const last = (events: readonly ModelEvent[]): ModelEvent & { type: "completed" | "failed" } =>
  events.at(-1) as ModelEvent & { type: "completed" | "failed" };
const code = (events: readonly ModelEvent[]): string | undefined => {
  const event = last(events);
  return event.type === "failed" ? event.error.code : undefined;
};

const START: Event = {
  type: "message_start",
  message: { id: "msg_1", usage: { input_tokens: 10, cache_read_input_tokens: 4, output_tokens: 1 } },
};
const block = (index: number, content: unknown, ...deltas: unknown[]): Event[] => [
  { type: "content_block_start", index, content_block: content },
  ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
  { type: "content_block_stop", index },
];
const text = (index: number, words: string): Event[] =>
  block(index, { type: "text", text: "" }, { type: "text_delta", text: words });
const call = (index: number, ...json: string[]): Event[] =>
  block(
    index,
    { type: "tool_use", id: `toolu_${index}`, name: "read", input: {} },
    ...json.map((partial_json) => ({ type: "input_json_delta", partial_json })),
  );
const stop = (reason: string): Event[] => [
  { type: "message_delta", delta: { stop_reason: reason }, usage: { output_tokens: 9 } },
  { type: "message_stop" },
];

describe("MessagesFold", () => {
  it("reads blocks in order, with usage from both ends", () => {
    const thinking = block(
      0,
      { type: "thinking", thinking: "", signature: "" },
      { type: "thinking_delta", thinking: "why" },
      { type: "signature_delta", signature: "SI" },
      { type: "signature_delta", signature: "G" },
    );
    const redacted = block(1, { type: "redacted_thinking", data: "DATA" });
    const events = run([
      START,
      ...thinking,
      ...redacted,
      { type: "ping" },
      ...text(2, "hi"),
      ...call(3, '{"p', '":1}'),
      ...stop("tool_use"),
    ]);
    expect(done(events)).toMatchObject([
      { type: "reasoning", summary: [{ text: "why" }], encrypted_content: "moho.thinking.SIG" },
      { type: "reasoning", summary: [], encrypted_content: "moho.redacted.DATA" },
      { type: "message", content: [{ text: "hi" }] },
      { type: "function_call", call_id: "toolu_3", arguments: '{"p":1}' },
    ]);
    expect(last(events)).toMatchObject({
      type: "completed",
      responseId: "msg_1",
      usage: { input: 10, cacheRead: 4, cacheWrite: 0, output: 9, reasoning: 0 },
    });
  });
  it("takes a call without arguments once it is known that nothing was cut off", () => {
    expect(done(run([START, ...call(0), ...stop("tool_use")]))).toMatchObject([{ arguments: "{}" }]);
    expect(done(run([START, ...call(0), ...stop("max_tokens")]))).toEqual([]);
    expect(done(run([START, ...call(0)]))).toEqual([]);
  });
  it("never hands on a call that the limit cut off, although its block ends", () => {
    const events = run([START, ...call(0, '{"path":"/ho'), ...stop("max_tokens")]);
    expect(done(events)).toEqual([]);
    expect(code(events)).toBe("output_limit");
  });
  it("does not take a finished block for a finished answer", () => {
    const overloaded = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
    expect(code(run([START, ...text(0, "I will now"), overloaded]))).toBe("overloaded");
    expect(code(run([START, ...text(0, "I will now")]))).toBe("stream_interrupted");
    expect(code(run([START, ...text(0, "I will now"), { type: "message_stop" }]))).toBe("stream_interrupted");
  });
  it("keeps an answer whose stream broke behind its stop reason (STREAM-1)", () => {
    const [ending] = stop("tool_use");
    const events = run([START, ...call(0, "{}"), ending!], new Error("reset"));
    expect(events.map(({ type }) => type).slice(-2)).toEqual(["warning", "completed"]);
  });
  it("says so when it drops a block that others do not have", () => {
    const events = run([
      START,
      ...block(0, { type: "server_tool_use", id: "s" }),
      ...text(1, "x"),
      ...stop("end_turn"),
    ]);
    expect(events.find(({ type }) => type === "warning")).toMatchObject({
      message: expect.stringMatching(/server_tool_use/),
    });
    expect(last(events).type).toBe("completed");
  });
  it.each([
    ["refusal", "content_filtered"],
    ["model_context_window_exceeded", "output_limit"],
  ])("ends in failure for %s", (reason, expected) => {
    expect(code(run([START, ...text(0, "x"), ...stop(reason)]))).toBe(expected);
  });
});

describe("MessagesEncoder", () => {
  const head = { id: "msg_1", model: "m", createdAt: 1 };
  it("never lets blocks overlap, and shows reasoning of other families so that it can come back", () => {
    const encoder = new MessagesEncoder(head);
    const item = (id: string): Item => ({ type: "function_call", call_id: id, name: "f", arguments: "" });
    const events: ModelEvent[] = [
      { type: "item.started", index: 0, item: { type: "reasoning", summary: [] } },
      { type: "item.done", index: 0, item: { type: "reasoning", summary: [], encrypted_content: "gAAAA" } },
      { type: "item.started", index: 1, item: item("a") },
      { type: "item.started", index: 2, item: item("b") },
      { type: "arguments.delta", index: 2, delta: '{"b":' },
      { type: "arguments.delta", index: 1, delta: "{}" },
      { type: "arguments.delta", index: 2, delta: "2}" },
      { type: "item.done", index: 2, item: { ...item("b"), arguments: '{"b":2}' } as Item },
      { type: "item.done", index: 1, item: { ...item("a"), arguments: "{}" } as Item },
      { type: "completed", responseId: undefined, requestId: undefined, usage: undefined },
    ];
    const lines = events
      .flatMap((event) => encoder.push(event))
      .join("")
      .split("\n");
    const data = lines
      .filter((line) => line.startsWith("data: "))
      .map((line) => JSON.parse(line.slice(6)) as Event);
    let open: unknown;
    for (const { type, index } of data) {
      if (type === "content_block_start") {
        expect(open).toBeUndefined();
        open = index;
      }
      if (type.startsWith("content_block")) expect(index).toBe(open);
      if (type === "content_block_stop") open = undefined;
    }
    const signature = "moho.sealed.gAAAA";
    expect(encoder.whole()).toMatchObject({
      content: [
        { type: "thinking", thinking: "", signature },
        { id: "a", input: {} },
        { id: "b", input: { b: 2 } },
      ],
      stop_reason: "tool_use",
    });
    const content = encoder.whole()["content"];
    const body = {
      model: "m",
      max_tokens: 5,
      messages: [
        { role: "user", content: "x" },
        { role: "assistant", content },
      ],
    };
    const { request } = messagesToHub(body);
    expect(request.input[1]).toEqual({ type: "reasoning", summary: [], encrypted_content: "gAAAA" });
    const upstream = hubToResponses(request, { sampling: false, breakpoints: false, leastOutputTokens: 16 });
    expect(JSON.parse(upstream.body)).toMatchObject({
      stream: true,
      store: false,
      include: ["reasoning.encrypted_content"],
      max_output_tokens: 16,
      input: [{}, { encrypted_content: "gAAAA" }, {}, {}],
    });
    expect(upstream.notes).toMatchObject([{ kind: "max_output_tokens", what: "rewritten" }]);
  });
  it("throws the failure of an answer that is one, also when asked whole", () => {
    const encoder = new MessagesEncoder(head);
    expect(() => encoder.whole()).toThrow(/before it had ended/);
    const [text] = encoder.push({
      type: "failed",
      error: new MohoError("throttled", "slow"),
      usage: undefined,
    });
    expect(text).toMatch(/^event: error\ndata: \{"type":"error","error":\{"type":"rate_limit_error"/);
    expect(() => encoder.whole()).toThrow("slow");
    expect(encoder.push({ type: "item.started", index: 0, item: { type: "other" } })).toEqual([]);
  });
  it("notes what it cannot show", () => {
    const encoder = new MessagesEncoder(head);
    encoder.push({ type: "item.done", index: 0, item: { type: "web_search_call", id: "ws" } });
    expect(encoder.notes).toMatchObject([{ kind: "web_search_call", index: 0, what: "dropped" }]);
  });
});

describe("messagesToHub", () => {
  const messages = [{ role: "user", content: "hi" }];
  const base = { model: "m", max_tokens: 9, messages };
  const user = (...content: unknown[]): unknown => ({ ...base, messages: [{ role: "user", content }] });
  it.each([
    [{ model: "m", messages }, "max_tokens"],
    [{ ...base, messages: [] }, "messages"],
    [{ ...base, messages: [{ role: "robot" }] }, "messages[0].role"],
    [{ ...base, system: [{ type: "image" }] }, "system[0].type"],
    [user({ type: "text" }), "messages[0].content[0].text"],
    [user({ type: "tool_result", content: "x" }), "messages[0].content[0].tool_use_id"],
    [
      user({ type: "image", source: { type: "base64", data: "x" } }),
      "messages[0].content[0].source.media_type",
    ],
    [{ ...base, tools: [{ name: "x" }] }, "tools[0].input_schema"],
    [{ ...base, tool_choice: { type: "any one" } }, "tool_choice.type"],
    [{ ...base, thinking: { type: "enabled" } }, "thinking.budget_tokens"],
    [{ ...base, stop_sequences: [1] }, "stop_sequences[0]"],
    [7, "$"],
  ])("names the path in %j", (body, path) => {
    expect(() => messagesToHub(body)).toThrow(
      expect.objectContaining({ code: "invalid_request", details: { param: path } }),
    );
  });
  it("refuses what the hub cannot hold by kind and place", () => {
    expect(() => messagesToHub({ ...base, tools: [{ type: "bash_20250124", name: "bash" }] })).toThrow(
      /`bash_20250124` at index 0/,
    );
    expect(() => messagesToHub(user({ type: "image", source: { type: "file", file_id: "f" } }))).toThrow(
      /`image` at index 0/,
    );
    const server = { role: "assistant", content: [{ type: "server_tool_use" }] };
    expect(() => messagesToHub({ ...base, messages: [...messages, server] })).toThrow(
      /`server_tool_use` at index 1/,
    );
  });
  it("keeps results, their errors and cache breakpoints in place", () => {
    const control = { type: "ephemeral", ttl: "1h" };
    const { request } = messagesToHub({
      ...base,
      system: [{ type: "text", text: "s", cache_control: control }],
      tools: [{ name: "f", input_schema: {}, cache_control: { type: "ephemeral" } }],
      tool_choice: { type: "any", disable_parallel_tool_use: true },
      messages: [
        ...messages,
        { role: "assistant", content: [{ type: "tool_use", id: "t", name: "f", input: { a: 1 } }] },
        {
          role: "user",
          content: [
            {
              type: "tool_result",
              tool_use_id: "t",
              is_error: true,
              content: [{ type: "text", text: "no" }],
              cache_control: control,
            },
            { type: "text", text: "go on" },
          ],
        },
      ],
    });
    const breakpoint = { mode: "explicit", ttl: "1h" };
    expect(request).toMatchObject({
      tools: [{ type: "function", name: "f", prompt_cache_breakpoint: { mode: "explicit" } }],
      tool_choice: "required",
      parallel_tool_calls: false,
      input: [
        { role: "system", content: [{ text: "s", prompt_cache_breakpoint: breakpoint }] },
        { role: "user", content: "hi" },
        { type: "function_call", call_id: "t", arguments: '{"a":1}' },
        { type: "function_call_output", status: "incomplete", prompt_cache_breakpoint: breakpoint },
        { role: "user", content: [{ text: "go on" }] },
      ],
    });
  });
  it("translates documents and settings, and notes what nobody else has", () => {
    const { request, notes } = messagesToHub({
      ...(user(
        {
          type: "document",
          source: { type: "text", media_type: "text/plain", data: "Grüße" },
          citations: { enabled: true },
        },
        { type: "document", source: { type: "url", url: "https://x/y.pdf" } },
        { type: "search_result", title: "t", source: "u", content: [{ type: "text", text: "found" }] },
      ) as object),
      thinking: { type: "enabled", budget_tokens: 10_000 },
      output_config: { format: { type: "json_schema", schema: { type: "object" } } },
      stop_sequences: ["END"],
      metadata: { user_id: "u" },
      container: "c",
    });
    expect(request).toMatchObject({
      reasoning: { effort: "medium", summary: "auto" },
      text: { format: { type: "json_schema", schema: { type: "object" } } },
      stop: ["END"],
      user: "u",
      input: [
        {
          content: [
            { type: "input_file", file_data: "data:text/plain;base64,R3LDvMOfZQ==" },
            { type: "input_file", file_url: "https://x/y.pdf" },
            { text: "Search result: t u" },
            { text: "found" },
          ],
        },
      ],
    });
    expect(notes.map(({ kind, what }) => `${kind} ${what}`)).toEqual([
      "document.citations dropped",
      "search_result rewritten",
      "thinking rewritten",
      "container dropped",
    ]);
  });
});

describe("what governance reads of messages", () => {
  it("peeks", () => {
    const content = [
      { type: "image" },
      { type: "document", source: { type: "file" } },
      { type: "tool_result", content: [{ type: "image" }] },
    ];
    const body = { model: "m", stream: true, max_tokens: 7, messages: [{ role: "user", content }] };
    expect(peekMessages(Buffer.from(JSON.stringify(body)))).toMatchObject({
      model: "m",
      stream: true,
      maxOutputTokens: 7,
      input: { image: 2, file: 1, stored: 1 },
    });
    expect(() => peekMessages(Buffer.from('{"max_tokens":1,"max_to\\u006bens":9}'))).toThrow(/comes twice/);
  });
  it("taps a stream however it is cut", () => {
    const events = [START, ...text(0, 'a "b"'), ...call(1, "{}"), ...stop("tool_use")];
    const bytes = Buffer.from(
      events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""),
    );
    let first = 0;
    const tap = new MessagesTap("text/event-stream", () => first++);
    for (const byte of bytes) tap.write(Uint8Array.of(byte));
    tap.end();
    expect(tap.reading).toMatchObject({
      responseId: "msg_1",
      status: "completed",
      usage: { input: 10, cacheRead: 4, output: 9 },
      outputCharacters: 7,
      terminal: true,
      atBoundary: true,
    });
    expect(first).toBe(1);
  });
  it("taps bodies and failures", () => {
    const tap = new MessagesTap("application/json");
    tap.write(
      Buffer.from(
        JSON.stringify({ id: "x", stop_reason: "max_tokens", usage: { input_tokens: 1, output_tokens: 2 } }),
      ),
    );
    tap.end();
    expect(tap.reading).toMatchObject({
      status: "incomplete",
      usage: { input: 1, output: 2 },
      terminal: true,
    });
    const failed = new MessagesTap("text/event-stream");
    failed.write(
      Buffer.from(
        'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"m"}}\n\n',
      ),
    );
    expect(failed.reading).toMatchObject({
      status: "failed",
      failure: { code: "overloaded_error" },
      terminal: true,
    });
  });
});
