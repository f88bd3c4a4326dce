import type { Item, ModelEvent } from "@moho/protocol";
import { ChatFold, ChatTap, chatToHub, peekChat, ToolNames } from "@moho/wire";
import { describe, expect, it } from "vitest";

const CONTEXT = { endpoint: "http://vllm" };

/** A stream of the given chunks, `[DONE]` or raw data. */
function run(chunks: readonly unknown[], fold = new ChatFold(CONTEXT), cause?: unknown): ModelEvent[] {
  const events = chunks.flatMap((chunk) =>
    fold.push({ event: "", data: typeof chunk === "string" ? chunk : JSON.stringify(chunk) }),
  );
  return [...events, ...fold.end(cause)];
}
const chunk = (delta: unknown, finish: string | null = null): unknown => ({
  id: "chatcmpl-1",
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const call = (index: number | undefined, id?: string, name?: string, text?: unknown): unknown =>
  chunk({ tool_calls: [{ ...(index !== undefined && { index }), id, function: { name, arguments: text } }] });
const done = (events: readonly ModelEvent[]): Item[] =>
  events.flatMap((event) => (event.type === "item.done" ? [event.item] : []));
const last = (events: readonly ModelEvent[]): ModelEvent & { type: "completed" | "failed" } =>
  events.at(-1) as ModelEvent & { type: "completed" | "failed" };
const code = (events: readonly ModelEvent[]): string | undefined => {
  const event = last(events);
  return event.type === "failed" ? event.error.code : undefined;
};
const USAGE = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 };

describe("ChatFold", () => {
  it("reads usage that comes behind the finish, and reasoning beside the text", () => {
    const events = run([
      chunk({ role: "assistant", reasoning: "hm" }),
      chunk({ content: "a" }),
      chunk({ content: "b" }, "stop"),
      { choices: [], usage: USAGE },
      "[DONE]",
    ]);
    expect(done(events)).toMatchObject([
      { type: "reasoning", content: [{ text: "hm" }] },
      { content: [{ text: "ab" }] },
    ]);
    expect(last(events)).toMatchObject({
      type: "completed",
      responseId: "chatcmpl-1",
      usage: { input: 10, output: 4 },
    });
  });
  it("keeps parallel calls apart when their arguments interleave", () => {
    const events = run([
      call(0, "c1", "read", '{"p'),
      call(1, "c2", "read", '{"q'),
      call(0, undefined, undefined, '":1}'),
      call(1, undefined, undefined, '":2}'),
      chunk({}, "tool_calls"),
      "[DONE]",
    ]);
    expect(done(events).map((item) => [item["call_id"], item["arguments"]])).toEqual([
      ["c1", '{"p":1}'],
      ["c2", '{"q":2}'],
    ]);
  });
  it("loses no sibling in one chunk, nor calls without index or with one id", () => {
    const both = { id: "same", function: { name: "read", arguments: "{}" } };
    const events = run([
      chunk({
        tool_calls: [
          { index: 0, ...both },
          { index: 1, ...both },
        ],
      }),
      chunk({}, "tool_calls"),
      "[DONE]",
    ]);
    expect(done(events).map((item) => item["call_id"])).toEqual(["same", "same_2"]);
    const unnumbered = run([
      call(undefined, "a", "x", "{}"),
      call(undefined, "b", "y", "{}"),
      chunk({}, "stop"),
      "[DONE]",
    ]);
    expect(done(unnumbered).map((item) => item["name"])).toEqual(["x", "y"]);
  });
  it("makes an id for a call without one, and empty arguments an empty object", () => {
    const [item] = done(run([call(0, undefined, "read", ""), chunk({}, "tool_calls"), "[DONE]"]));
    expect(item).toMatchObject({ call_id: expect.stringMatching(/^call_.+/), arguments: "{}" });
  });
  it("takes arguments as an object, as some servers send them", () => {
    const [item] = done(run([call(0, "c", "read", { path: "a" }), chunk({}, "tool_calls"), "[DONE]"]));
    expect(item).toMatchObject({ arguments: '{"path":"a"}' });
  });
  it.each(["length", "content_filter", "model_length", "error"])(
    "never hands on a call that `%s` cut off",
    (reason) => {
      const events = run([call(0, "c", "read", "{}"), chunk({}, reason), "[DONE]"]);
      expect(done(events)).toEqual([]);
      const codes = { content_filter: "content_filtered", error: "upstream_error" } as Record<string, string>;
      expect(code(events)).toBe(codes[reason] ?? "output_limit");
    },
  );
  it("never hands on a call of a stream that broke before it said how it finished", () => {
    for (const tail of [[], ["[DONE]"]]) {
      const events = run([call(0, "c", "read", "{}"), ...tail]);
      expect(done(events)).toEqual([]);
      expect(code(events)).toBe("stream_interrupted");
    }
  });
  it("keeps an answer whose stream broke behind its finish (STREAM-1)", () => {
    const chunks = [call(0, "c", "read", "{}"), chunk({}, "tool_calls")];
    const broken = run(chunks, undefined, new Error("socket hang up"));
    expect(done(broken)).toHaveLength(1);
    expect(broken.map(({ type }) => type).slice(-2)).toEqual(["warning", "completed"]);
    const reported = run([...chunks, { error: { message: "late", code: 500 } }]);
    expect(last(reported).type).toBe("completed");
  });
  it("explains an error in the middle, and shows text without a finish only when the server says it is done", () => {
    expect(
      code(run([chunk({ content: "a" }), { error: { message: "slow down", code: "rate_limit_exceeded" } }])),
    ).toBe("throttled");
    expect(last(run([chunk({ content: "a" }), "[DONE]"])).type).toBe("completed");
    expect(code(run([chunk({ content: "a" })]))).toBe("stream_interrupted");
    expect(code(run(["[DONE]"]))).toBe("stream_interrupted");
    expect(code(run(["<html>"]))).toBe("upstream_error");
  });
  it("undoes flattened names", () => {
    const names = new ToolNames();
    const space = names.wire({ kind: "function", name: "spawn", namespace: "agents" });
    const patch = names.wire({ kind: "custom", name: "apply_patch" });
    const search = names.wire({ kind: "tool_search", name: "tool_search" });
    const chunks = [
      call(0, "a", space, "{}"),
      call(1, "b", patch, '{"input":"*** B'),
      call(1, undefined, undefined, 'egin"}'),
      call(2, "c", search, '{"query":"q"}'),
      call(3, "d", patch, "*** unwrapped"),
      call(4, "e", "undeclared", "{}"),
      chunk({}, "tool_calls"),
      "[DONE]",
    ];
    expect(done(run(chunks, new ChatFold(CONTEXT, undefined, names)))).toMatchObject([
      { type: "function_call", name: "spawn", namespace: "agents" },
      { type: "custom_tool_call", name: "apply_patch", input: "*** Begin" },
      { type: "tool_search_call", execution: "client", arguments: { query: "q" } },
      { type: "custom_tool_call", input: "*** unwrapped" },
      { type: "function_call", name: "undeclared" },
    ]);
  });
  it("is a fold of a whole answer too", () => {
    const message = {
      role: "assistant",
      content: "hi",
      tool_calls: [{ id: "c", function: { name: "f", arguments: "{}" } }],
    };
    const events = run([{ id: "x", choices: [{ message, finish_reason: "tool_calls" }], usage: USAGE }]);
    expect(done(events).map(({ type }) => type)).toEqual(["message", "function_call"]);
    expect(last(events)).toMatchObject({ type: "completed", usage: { input: 10 } });
  });
  it("parts reasoning tags from the text, wherever they are cut", () => {
    const text = "<reasoning>a <b> </reason </reasoning>x <reasoning>y</reasoning>";
    for (let size = 1; size < text.length; size++) {
      const pieces = text.match(new RegExp(`.{1,${size}}`, "gs"))!;
      const fold = new ChatFold(CONTEXT, undefined, undefined, { reasoningTags: true });
      const items = done(
        run([...pieces.map((content) => chunk({ content })), chunk({}, "stop"), "[DONE]"], fold),
      );
      expect(items).toMatchObject([
        { type: "reasoning", content: [{ text: "a <b> </reason " }] },
        { type: "message", content: [{ text: "x <reasoning>y</reasoning>" }] },
      ]);
    }
  });
});

describe("chatToHub", () => {
  const messages = [{ role: "user", content: "hi" }];
  it.each([
    [{ messages }, "model"],
    [{ model: "m" }, "messages"],
    [{ model: "m", messages: [] }, "messages"],
    [{ model: "m", messages: [{ role: "robot", content: "" }] }, "messages[0].role"],
    [
      { model: "m", messages: [{ role: "user", content: [{ type: "text" }] }] },
      "messages[0].content[0].text",
    ],
    [
      { model: "m", messages: [{ role: "user", content: [{ type: "image_url", image_url: "x" }] }] },
      "messages[0].content[0].image_url",
    ],
    [
      { model: "m", messages: [{ role: "assistant", tool_calls: [{ id: "c" }] }] },
      "messages[0].tool_calls[0].function",
    ],
    [{ model: "m", messages: [{ role: "tool", content: "" }] }, "messages[0].tool_call_id"],
    [{ model: "m", messages, n: 2 }, "n"],
    [{ model: "m", messages, functions: [] }, "functions"],
    [{ model: "m", messages, max_tokens: 1.5 }, "max_tokens"],
    [{ model: "m", messages, tools: [{ type: "function", function: {} }] }, "tools[0].function.name"],
    [{ model: "m", messages, tool_choice: { type: "x" } }, "tool_choice.type"],
    [{ model: "m", messages, response_format: { type: "xml" } }, "response_format.type"],
    [{ model: "m", messages, temperature: "hot" }, "temperature"],
    [[], "$"],
    [null, "$"],
  ])("names the path in %j", (body, path) => {
    expect(() => chatToHub(body)).toThrow(
      expect.objectContaining({ code: "invalid_request", details: { param: path } }),
    );
  });
  it("refuses what the hub cannot hold by kind and place", () => {
    const audio = { role: "user", content: [{ type: "input_audio", input_audio: {} }] };
    expect(() => chatToHub({ model: "m", messages: [messages[0], audio] })).toThrow(
      /`input_audio` at index 1/,
    );
    expect(() => chatToHub({ model: "m", messages, modalities: ["audio"] })).toThrow(/modalities/);
  });
  it("translates settings, and notes what nobody else has", () => {
    const { request, notes } = chatToHub({
      model: "m",
      messages: [{ role: "system", content: "s", name: "n" }, ...messages],
      max_completion_tokens: 9,
      stop: "END",
      reasoning_effort: "low",
      verbosity: "high",
      response_format: { type: "json_schema", json_schema: { name: "o", schema: {} } },
      tools: [
        {
          type: "custom",
          custom: { name: "p", format: { type: "grammar", grammar: { syntax: "lark", definition: "d" } } },
        },
      ],
      tool_choice: { type: "custom", custom: { name: "p" } },
      logprobs: true,
      prompt_cache_key: "k",
    });
    expect(request).toMatchObject({
      max_output_tokens: 9,
      stop: ["END"],
      reasoning: { effort: "low" },
      text: { verbosity: "high", format: { type: "json_schema", name: "o", schema: {} } },
      tools: [{ type: "custom", name: "p", format: { type: "grammar", syntax: "lark", definition: "d" } }],
      tool_choice: { type: "custom", name: "p" },
      prompt_cache_key: "k",
    });
    expect(notes.map(({ kind, index, what }) => [kind, index, what])).toEqual([
      ["name", 0, "dropped"],
      ["logprobs", undefined, "dropped"],
    ]);
  });
  it("cannot be made to read what is not there", () => {
    const body = JSON.parse(
      '{"model":"m","messages":[{"role":"user","content":"x"}],"__proto__":{"stream":true}}',
    );
    expect(chatToHub(body).request.stream).toBeUndefined();
  });
});

describe("what governance reads of chat", () => {
  it("peeks", () => {
    const body = {
      model: "m",
      stream: true,
      max_tokens: 5,
      max_completion_tokens: 7,
      n: 3,
      messages: [
        {
          role: "user",
          content: [{ type: "image_url" }, { type: "file" }, { type: "text", text: '{"type":"file"}' }],
        },
      ],
    };
    expect(peekChat(Buffer.from(JSON.stringify(body)))).toMatchObject({
      model: "m",
      stream: true,
      maxOutputTokens: 7,
      choices: 3,
      input: { image: 1, file: 1, audio: 0 },
    });
    expect(() => peekChat(Buffer.from('{"model":"a","Model":"b"}'))).toThrow(/spelled `Model`/);
    expect(() => peekChat(Buffer.from('{"n":1e3}'))).toThrow(/plain digits/);
  });
  it("taps a stream, in any spelling of JSON, however it is cut", () => {
    const chunks = [
      chunk({ content: 'say "usage": {' }),
      call(0, "c", "f", "{}"),
      chunk({}, "tool_calls"),
      { id: "chatcmpl-1", model: "gpt", choices: [], usage: USAGE },
    ];
    for (const spaced of [false, true]) {
      const text = chunks.map(
        (each) => `data: ${JSON.stringify(each, null, spaced ? 1 : 0).replaceAll("\n", "")}\n\n`,
      );
      const bytes = Buffer.from(`${text.join("")}data: [DONE]\n\n`);
      let first = 0;
      const tap = new ChatTap("text/event-stream", () => first++);
      for (const byte of bytes) tap.write(Uint8Array.of(byte));
      tap.end();
      expect(tap.reading).toMatchObject({
        responseId: "chatcmpl-1",
        model: "gpt",
        status: "completed",
        usage: { input: 10, output: 4 },
        outputCharacters: 16,
        terminal: true,
        atBoundary: true,
      });
      expect(first).toBe(1);
    }
  });
  it("taps bodies and failures", () => {
    const tap = new ChatTap("application/json");
    tap.write(Buffer.from(JSON.stringify({ id: "x", choices: [{ finish_reason: "length" }], usage: USAGE })));
    tap.end();
    expect(tap.reading).toMatchObject({ status: "incomplete", usage: { input: 10 }, terminal: true });
    const failed = new ChatTap("text/event-stream");
    failed.write(Buffer.from('data: {"error":{"code":"x","message":"m"}}\n\n'));
    expect(failed.reading).toMatchObject({
      status: "failed",
      failure: { code: "x", message: "m" },
      terminal: true,
    });
  });
});
