/** The official SDKs read what the encoders write, over real HTTP. */

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import Anthropic from "@anthropic-ai/sdk";
import { type Item, type ModelEvent, MohoError, type Usage } from "@moho/protocol";
import { calls, callsFreeform, says } from "@moho/testkit";
import {
  ChatEncoder,
  chatToHub,
  MessagesEncoder,
  messagesToHub,
  ResponsesEncoder,
  wantsUsageChunk,
} from "@moho/wire";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

const USAGE: Usage = { input: 10, cacheRead: 4, cacheWrite: 2, output: 5, reasoning: 3 };
const HEAD = { id: "id_1", model: "served-model", createdAt: 1_700_000_000 };

/** What the next answer is made of, and the last request as the hub saw it. */
let script: ModelEvent[] = [];
let seen: unknown;
let server: Server;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  server = createServer((request, response) => {
    void read(request).then((body) => {
      const encoder = encoderFor(request.url ?? "", body);
      const stream = (body as { stream?: boolean }).stream === true;
      response.setHeader("content-type", stream ? "text/event-stream" : "application/json");
      const chunks = script.flatMap((event) => encoder.push(event));
      response.end(stream ? chunks.join("") : JSON.stringify(encoder.whole()));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  openai = new OpenAI({ apiKey: "k", baseURL: `${base}/v1`, maxRetries: 0 });
  anthropic = new Anthropic({ apiKey: "k", baseURL: base, maxRetries: 0 });
});
afterAll(() => server.close());
beforeEach(() => {
  script = [];
});

async function read(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}

function encoderFor(url: string, body: unknown): ChatEncoder | MessagesEncoder | ResponsesEncoder {
  if (url.endsWith("/chat/completions")) {
    seen = chatToHub(body).request;
    return new ChatEncoder(HEAD, { includeUsage: wantsUsageChunk(body) });
  }
  if (url.endsWith("/messages")) {
    seen = messagesToHub(body).request;
    return new MessagesEncoder(HEAD);
  }
  return new ResponsesEncoder(HEAD);
}

/** An answer in pieces, its calls in parallel: both begin before either has ended. */
function streamed(items: readonly Item[], end: Partial<ModelEvent> = {}): ModelEvent[] {
  const events: ModelEvent[] = [];
  const open: ModelEvent[] = [];
  for (const [index, item] of items.entries()) {
    if (item.type === "function_call") {
      events.push({ type: "item.started", index, item: { ...item, arguments: "" } });
      for (const delta of item.arguments.match(/.{1,4}/gs) ?? [])
        events.push({ type: "arguments.delta", index, delta });
      open.push({ type: "item.done", index, item });
      continue;
    }
    if (item.type === "message") {
      events.push({ type: "item.started", index, item: { ...item, content: [] } });
      const text = (item.content as { text: string }[])[0]!.text;
      for (const delta of text.match(/.{1,3}/gsu) ?? []) events.push({ type: "text.delta", index, delta });
    } else if (item.type === "reasoning") {
      events.push({ type: "item.started", index, item: { type: "reasoning", summary: [] } });
      events.push({ type: "reasoning.delta", index, delta: item.summary[0]!.text });
    }
    events.push({ type: "item.done", index, item });
  }
  const last = {
    type: "completed",
    responseId: "r",
    requestId: undefined,
    usage: USAGE,
    ...end,
  } as ModelEvent;
  return [...events, ...open, last];
}

const THOUGHT: Item = {
  type: "reasoning",
  summary: [{ type: "summary_text", text: "I look" }],
  encrypted_content: "moho.thinking.c2ln",
};
const LOOP = [
  THOUGHT,
  says("Grüße 😀\n"),
  calls("read", { path: "a" }, "call_1"),
  calls("read", { path: "b" }, "call_2"),
];
const LIMIT = new MohoError("output_limit", "cut");
const OVERLOADED = new MohoError("overloaded", "Too busy.");

describe("openai, chat", () => {
  const params = {
    model: "m",
    messages: [{ role: "user" as const, content: "hi" }],
    tools: [{ type: "function" as const, function: { name: "read", parameters: { type: "object" } } }],
  };
  it("reads a tool loop's stream", async () => {
    script = streamed(LOOP);
    const stream = openai.chat.completions.stream({ ...params, stream_options: { include_usage: true } });
    const answer = await stream.finalChatCompletion();
    const { message, finish_reason: finish } = answer.choices[0]!;
    expect(finish).toBe("tool_calls");
    expect(message.content).toBe("Grüße 😀\n");
    expect(
      message.tool_calls?.map((call) => call.type === "function" && [call.id, call.function.arguments]),
    ).toEqual([
      ["call_1", '{"path":"a"}'],
      ["call_2", '{"path":"b"}'],
    ]);
    expect(answer.usage).toMatchObject({ prompt_tokens: 16, completion_tokens: 8, total_tokens: 24 });
    expect(seen).toMatchObject({ tools: [{ type: "function", name: "read" }], input: [{ role: "user" }] });
  });
  it("reads the same whole", async () => {
    script = streamed(LOOP);
    const answer = await openai.chat.completions.create(params);
    expect(answer.choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: {
        content: "Grüße 😀\n",
        reasoning: "I look",
        tool_calls: [{ id: "call_1" }, { id: "call_2" }],
      },
    });
    expect(answer.usage?.prompt_tokens_details?.cached_tokens).toBe(4);
  });
  it("reads an answer that reached its limit", async () => {
    const cut = streamed([says("half")]).filter(({ type }) => type !== "item.done" && type !== "completed");
    script = [...cut, { type: "failed", error: LIMIT, usage: USAGE }];
    const answer = await openai.chat.completions.create(params);
    expect(answer.choices[0]).toMatchObject({ finish_reason: "length", message: { content: "half" } });
  });
  it("throws a failure in the middle of a stream", async () => {
    script = streamed([says("half")], { type: "failed", error: OVERLOADED } as Partial<ModelEvent>);
    const read = async (): Promise<void> => {
      for await (const _ of await openai.chat.completions.create({ ...params, stream: true }));
    };
    await expect(read()).rejects.toThrow(/Too busy/);
  });
});

describe("openai, responses", () => {
  const params = { model: "m", input: "hi" };
  it("reads a tool loop's stream", async () => {
    script = streamed([...LOOP, callsFreeform("apply_patch", "*** Begin", "call_3")]);
    const stream = openai.responses.stream(params);
    let sequence = -1;
    for await (const event of stream) expect(event.sequence_number).toBe(++sequence);
    const answer = await stream.finalResponse();
    expect(answer.output.map(({ type }) => type)).toEqual([
      "reasoning",
      "message",
      "function_call",
      "function_call",
      "custom_tool_call",
    ]);
    expect(answer.output_text).toBe("Grüße 😀\n");
    expect(answer.usage).toMatchObject({ input_tokens: 16, output_tokens: 8, total_tokens: 24 });
    expect(answer.status).toBe("completed");
  });
  it("reads the same whole", async () => {
    script = streamed(LOOP);
    const answer = await openai.responses.create(params);
    expect(answer.output_text).toBe("Grüße 😀\n");
    expect(answer.output.at(-1)).toMatchObject({
      call_id: "call_2",
      arguments: '{"path":"b"}',
      status: "completed",
    });
  });
  it("reads a cut-off and a failure", async () => {
    const cut = streamed([says("half")]).filter(({ type }) => type !== "item.done" && type !== "completed");
    script = [...cut, { type: "failed", error: LIMIT, usage: USAGE }];
    const answer = await openai.responses.create(params);
    expect(answer).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
    });
    expect(answer.output_text).toBe("half");
    script = [...cut, { type: "failed", error: OVERLOADED, usage: USAGE }];
    const last: string[] = [];
    for await (const event of await openai.responses.create({ ...params, stream: true }))
      last.push(event.type);
    expect(last.at(-1)).toBe("response.failed");
  });
});

describe("anthropic", () => {
  const params = {
    model: "m",
    max_tokens: 100,
    messages: [{ role: "user" as const, content: "hi" }],
    tools: [{ name: "read", input_schema: { type: "object" as const } }],
  };
  const content = [
    { type: "thinking", thinking: "I look", signature: "c2ln" },
    { type: "text", text: "Grüße 😀\n" },
    { type: "tool_use", id: "call_1", name: "read", input: { path: "a" } },
    { type: "tool_use", id: "call_2", name: "read", input: { path: "b" } },
  ];
  const usage = {
    input_tokens: 10,
    cache_read_input_tokens: 4,
    cache_creation_input_tokens: 2,
    output_tokens: 8,
  };
  it("reads a tool loop's stream", async () => {
    script = streamed(LOOP);
    const answer = await anthropic.messages.stream(params).finalMessage();
    expect(answer.content).toMatchObject(content);
    expect(answer.stop_reason).toBe("tool_use");
    expect(answer.usage).toMatchObject(usage);
    expect(seen).toMatchObject({ max_output_tokens: 100, tools: [{ name: "read" }] });
  });
  it("reads the same whole", async () => {
    script = streamed(LOOP);
    const answer = await anthropic.messages.create(params);
    expect(answer).toMatchObject({ content, stop_reason: "tool_use", usage });
  });
  it("sends back what it was given, block for block", async () => {
    script = streamed(LOOP);
    const answer = await anthropic.messages.stream(params).finalMessage();
    const results = answer.content.filter((block) => block.type === "tool_use");
    script = streamed([says("done")]);
    await anthropic.messages.create({
      ...params,
      messages: [
        ...params.messages,
        { role: "assistant", content: answer.content },
        {
          role: "user",
          content: results.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "ok" })),
        },
      ],
    });
    const { input } = seen as { input: Item[] };
    expect(input.slice(1, 5)).toEqual(LOOP);
    expect(input.slice(5).map((item) => item["call_id"])).toEqual(["call_1", "call_2"]);
  });
  it("reads an answer that reached its limit", async () => {
    const cut = streamed([says("half")]).filter(({ type }) => type !== "item.done" && type !== "completed");
    script = [...cut, { type: "failed", error: LIMIT, usage: USAGE }];
    const answer = await anthropic.messages.stream(params).finalMessage();
    expect(answer).toMatchObject({ stop_reason: "max_tokens", content: [{ text: "half" }] });
  });
  it("throws a failure in the middle of a stream", async () => {
    script = streamed([says("half")], { type: "failed", error: OVERLOADED } as Partial<ModelEvent>);
    await expect(anthropic.messages.stream(params).finalMessage()).rejects.toThrow(/Too busy/);
  });
});
