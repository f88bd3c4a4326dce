/** InvokeModel in the models' own dialects; the official AWS SDK reads what the encoder writes. */

import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import {
  BedrockRuntimeClient,
  CountTokensCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";
import { type Item, type ModelEvent, MohoError, type ResponsesRequest, type Usage } from "@moho/protocol";
import { calls, randomChunks, says, seededRandom, thinks } from "@moho/testkit";
import {
  EventStreamDecoder,
  EventStreamEncoder,
  hubToInvoke,
  InvokeEncoder,
  InvokeFold,
  InvokeTap,
  invokeToHub,
  type NativeFamily,
  nativeFamily,
  peekInvoke,
  readCountTokens,
} from "@moho/wire";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventsOf } from "./converse-answers.ts";

const USAGE: Usage = { input: 10, cacheRead: 4, cacheWrite: 2, output: 5, reasoning: 3 };
const METRICS = {
  inputTokenCount: 10,
  outputTokenCount: 8,
  invocationLatency: 12,
  firstByteLatency: 12,
  cacheReadInputTokenCount: 4,
  cacheWriteInputTokenCount: 2,
};
const MODELS: Record<NativeFamily, string> = {
  openai: "openai.gpt-oss-120b-1:0",
  anthropic: "us.anthropic.claude-opus-4-7",
};
const BODIES: Record<NativeFamily, object> = {
  openai: {
    messages: [{ role: "user", content: "hi" }],
    max_completion_tokens: 50,
    "amazon-bedrock-guardrailConfig": {},
  },
  anthropic: {
    anthropic_version: "bedrock-2023-05-31",
    max_tokens: 50,
    messages: [{ role: "user", content: "hi" }],
  },
};
const FAMILIES: NativeFamily[] = ["openai", "anthropic"];
const target = (family: NativeFamily, stream = true) => ({ family, model: MODELS[family], stream });
const head = { id: "msg_1", model: "m", createdAt: 1 };
const encoder = (family: NativeFamily) => new InvokeEncoder(family, head, { elapsedMs: () => 12 });

let server: Http2Server;
let client: BedrockRuntimeClient;
let script: ModelEvent[] = [];
let seen: ResponsesRequest;

beforeAll(async () => {
  server = createServer();
  server.on("request", async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const [, , path, operation] = request.url.split("/");
    const model = decodeURIComponent(path!);
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (operation === "count-tokens") {
      const input = readCountTokens(body);
      const text =
        input.kind === "converse" ? JSON.stringify(input.body) : Buffer.from(input.body).toString();
      response.end(JSON.stringify({ inputTokens: text.length }));
      return;
    }
    const family = nativeFamily(model)!;
    const stream = operation === "invoke-with-response-stream";
    seen = invokeToHub(body, { family, model, stream }).request;
    const writing = encoder(family);
    const frames = script.flatMap((event) => writing.push(event));
    response.writeHead(200, {
      "content-type": stream ? "application/vnd.amazon.eventstream" : "application/json",
      "x-amzn-bedrock-content-type": "application/json",
    });
    if (!stream) response.write(JSON.stringify(writing.whole()));
    else for (const frame of frames) response.write(frame);
    response.end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  client = new BedrockRuntimeClient({
    region: "us-east-1",
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
    maxAttempts: 1,
  });
});
afterAll(() => {
  client.destroy();
  server.close();
});

type Json = Record<string, unknown>;

async function stream(family: NativeFamily, events: ModelEvent[], into: Json[] = []): Promise<Json[]> {
  script = events;
  const answer = await client.send(
    new InvokeModelWithResponseStreamCommand({
      modelId: MODELS[family],
      body: JSON.stringify(BODIES[family]),
    }),
  );
  for await (const event of answer.body!)
    into.push(JSON.parse(Buffer.from(event.chunk!.bytes!).toString()) as Json);
  return into;
}

const ITEMS: Item[] = [
  thinks("I look first", "moho.thinking.c2ln"),
  says("Grüße 😀"),
  calls("ls", { a: 1 }, "call_1"),
];

describe("InvokeModelWithResponseStream", () => {
  it("of OpenAI's models is Chat chunks, the reasoning tagged in front of the text", async () => {
    const chunks = await stream("openai", eventsOf(ITEMS, USAGE));
    const deltas = (chunks as unknown as { choices: { delta: { content?: string } }[] }[]).flatMap(
      (chunk) => chunk.choices,
    );
    expect(deltas.map(({ delta }) => delta.content ?? "").join("")).toBe(
      "<reasoning>I look first</reasoning>Grüße 😀",
    );
    expect(chunks.every((chunk) => chunk["object"] === "chat.completion.chunk")).toBe(true);
    expect(chunks.at(-1)).toMatchObject({
      "amazon-bedrock-invocationMetrics": METRICS,
      usage: { total_tokens: 24 },
    });
    expect(chunks.filter((chunk) => "amazon-bedrock-invocationMetrics" in chunk)).toHaveLength(1);
  });
  it("of Anthropic's models is Messages events without their envelope", async () => {
    const chunks = await stream("anthropic", eventsOf(ITEMS, USAGE));
    expect(chunks[0]).toMatchObject({ type: "message_start" });
    expect(chunks.at(-1)).toMatchObject({
      type: "message_stop",
      "amazon-bedrock-invocationMetrics": METRICS,
    });
    const texts = (chunks as { delta?: { text?: string } }[]).map((chunk) => chunk.delta?.text ?? "");
    expect(texts.join("")).toBe("Grüße 😀");
  });
  it.each(FAMILIES)("of %s fails in the middle with an exception under its name", async (family) => {
    const error = new MohoError("throttled", "Too fast.");
    const got: Json[] = [];
    const reading = stream(
      family,
      [...eventsOf([says("half")], USAGE).slice(0, 3), { type: "failed", error, usage: undefined }],
      got,
    );
    await expect(reading).rejects.toMatchObject({
      name: "ThrottlingException",
      message: expect.stringContaining("Too fast."),
    });
    expect(got.length).toBeGreaterThan(0);
  });
  it.each(FAMILIES)("of %s is folded back to the same items, however it is cut", (family) => {
    const writing = encoder(family);
    const bytes = Buffer.concat(eventsOf(ITEMS, USAGE).flatMap((event) => writing.push(event)));
    for (let seed = 0; seed < 10; seed++) {
      const decoder = new EventStreamDecoder();
      const folding = new InvokeFold(family, { endpoint: "x" });
      const tap = new InvokeTap(family, "application/vnd.amazon.eventstream");
      const events: ModelEvent[] = [];
      for (const chunk of randomChunks(bytes, seededRandom(seed), 200)) {
        tap.write(chunk);
        events.push(...decoder.push(chunk).flatMap((message) => folding.push(message)));
      }
      events.push(...folding.end());
      tap.end();
      const items = events.flatMap((event) => (event.type === "item.done" ? [event.item] : []));
      expect(items.map((item) => item.type)).toEqual(["reasoning", "message", "function_call"]);
      expect(items.slice(1)).toMatchObject(ITEMS.slice(1));
      expect(events.at(-1)).toMatchObject({ type: "completed" });
      expect(tap.reading).toMatchObject({
        usage: { input: 10, cacheRead: 4, cacheWrite: 2 },
        terminal: true,
        atBoundary: true,
      });
      expect(tap.reading.outputCharacters).toBeGreaterThan(20);
    }
  });
  it.each(FAMILIES)("of %s cut at any byte ends exactly once, and never hands on a cut call", (family) => {
    const writing = encoder(family);
    const bytes = Buffer.concat(eventsOf(ITEMS, USAGE).flatMap((event) => writing.push(event)));
    for (let cut = 0; cut < bytes.length; cut += 7) {
      const decoder = new EventStreamDecoder();
      const folding = new InvokeFold(family, { endpoint: "x" });
      const events = decoder.push(bytes.subarray(0, cut)).flatMap((message) => folding.push(message));
      events.push(...decoder.end().flatMap((message) => folding.push(message)), ...folding.end());
      expect(events.filter((event) => event.type === "completed" || event.type === "failed")).toHaveLength(1);
      for (const event of events) {
        if (event.type === "item.done" && event.item.type === "function_call")
          expect(event.item).toMatchObject(ITEMS[2]!);
      }
    }
  });
  it.each(FAMILIES)("of %s: an exception and a flipped bit end it", (family) => {
    const writing = encoder(family);
    const events = eventsOf(ITEMS, USAGE).slice(0, 4);
    const good = events.flatMap((event) => writing.push(event));
    const failed = writing.push({
      type: "failed",
      error: new MohoError("overloaded", "Busy."),
      usage: undefined,
    });
    const fold = (bytes: Uint8Array): ModelEvent | undefined => {
      const folding = new InvokeFold(family, { endpoint: "x" }, "req_1");
      const all = new EventStreamDecoder().push(bytes).flatMap((message) => folding.push(message));
      return [...all, ...folding.end()].at(-1);
    };
    expect(fold(Buffer.concat([...good, ...failed]))).toMatchObject({
      type: "failed",
      error: { code: "overloaded" },
    });
    const bad = Buffer.concat(good);
    bad[bad.length - 20]! ^= 1;
    expect(fold(bad)).toMatchObject({ type: "failed", error: { code: "upstream_error" } });
  });
});

describe("the tap", () => {
  it("takes Bedrock's metrics where the inner dialect tells no usage", () => {
    const tap = new InvokeTap("openai", "application/vnd.amazon.eventstream");
    const inner = { id: "c", choices: [], "amazon-bedrock-invocationMetrics": METRICS };
    const bytes = Buffer.from(JSON.stringify(inner)).toString("base64");
    tap.write(new EventStreamEncoder().event("chunk", JSON.stringify({ bytes, p: "abc" })));
    expect(tap.reading.usage).toEqual({ input: 10, cacheRead: 4, cacheWrite: 2, output: 8, reasoning: 0 });
  });
  it("does not take what the model writes for metrics", () => {
    const tap = new InvokeTap("openai", "application/vnd.amazon.eventstream");
    const inner = {
      choices: [{ delta: { content: JSON.stringify({ "amazon-bedrock-invocationMetrics": METRICS }) } }],
    };
    const bytes = Buffer.from(JSON.stringify(inner)).toString("base64");
    tap.write(new EventStreamEncoder().event("chunk", JSON.stringify({ bytes })));
    expect(tap.reading.usage).toBeUndefined();
  });
});

describe("InvokeModel", () => {
  it.each(FAMILIES)("of %s is answered whole in its own dialect", async (family) => {
    script = eventsOf(ITEMS, USAGE);
    const answer = await client.send(
      new InvokeModelCommand({ modelId: MODELS[family], body: JSON.stringify(BODIES[family]) }),
    );
    const body = JSON.parse(Buffer.from(answer.body).toString()) as Json;
    if (family === "anthropic") expect(body).toMatchObject({ type: "message", stop_reason: "tool_use" });
    else {
      const content = "<reasoning>I look first</reasoning>Grüße 😀";
      expect(body).toMatchObject({ object: "chat.completion", choices: [{ message: { content } }] });
    }
    expect(seen).toMatchObject({ model: MODELS[family], max_output_tokens: 50 });
    const tap = new InvokeTap(family, "application/json");
    tap.write(answer.body);
    tap.end();
    expect(tap.reading.usage).toMatchObject({ input: 10, cacheRead: 4, cacheWrite: 2 });
  });
});

describe("a native body", () => {
  it.each([
    ["openai.gpt-oss-20b-1:0", "openai"],
    ["us.openai.gpt-6", "openai"],
    ["arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0", "anthropic"],
    ["global.anthropic.claude-opus-4-7", "anthropic"],
    ["amazon.nova-pro-v1:0", undefined],
    ["arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", undefined],
    ["notopenai.x", undefined],
  ])("of %s is %s", (model, family) => expect(nativeFamily(model)).toBe(family));

  const both = (body: object, family: NativeFamily, streams = true): void => {
    invokeToHub(body, target(family, streams));
    peekInvoke(Buffer.from(JSON.stringify(body)), target(family, streams));
  };
  it.each([
    ["openai", { ...BODIES.openai, model: "openai.gpt-oss-20b-1:0" }],
    ["openai", { ...BODIES.openai, stream: false }],
    ["anthropic", { ...BODIES.anthropic, model: MODELS.anthropic }],
    ["anthropic", { ...BODIES.anthropic, stream: true }],
  ] as const)("of %s that contradicts the path is refused, translated or not: %o", (family, body) => {
    const refusal = expect.objectContaining({ code: "invalid_request" });
    expect(() => invokeToHub(body, target(family))).toThrow(refusal);
    expect(() => peekInvoke(Buffer.from(JSON.stringify(body)), target(family))).toThrow(refusal);
  });
  it("may agree with it", () => {
    expect(() => both({ ...BODIES.openai, model: MODELS.openai, stream: true }, "openai")).not.toThrow();
    expect(() => both({ ...BODIES.openai, stream: false }, "openai", false)).not.toThrow();
  });
  it("of Anthropic needs its version", () => {
    expect(() =>
      invokeToHub({ ...BODIES.anthropic, anthropic_version: "2023-06-01" }, target("anthropic")),
    ).toThrow("anthropic_version");
  });
  it("shows what governs", () => {
    expect(
      peekInvoke(Buffer.from(JSON.stringify({ ...BODIES.openai, n: 3 })), target("openai")),
    ).toMatchObject({
      maxOutputTokens: 50,
      choices: 3,
    });
    expect(peekInvoke(Buffer.from(JSON.stringify(BODIES.anthropic)), target("anthropic"))).toMatchObject({
      maxOutputTokens: 50,
      choices: 1,
    });
  });
  it("is written without what the path says", () => {
    const hosted = { web_search: "drop", tool_search: "drop", mcp: "refuse" } as const;
    const messages = {
      maxTokens: 100,
      thinking: "none",
      outputFormat: false,
      images: true,
      documents: true,
      caching: "given",
      hosted,
    } as const;
    const request: ResponsesRequest = { model: "m", input: "hi" };
    expect(JSON.parse(hubToInvoke(request, { family: "anthropic", messages }).body)).toEqual({
      anthropic_version: "bedrock-2023-05-31",
      max_tokens: 100,
      messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }],
    });
    const chat = {
      developerRole: true,
      maxTokensField: "max_completion_tokens",
      reasoningEffort: true,
      reasoningField: "none",
      images: false,
      files: false,
      hosted,
    } as const;
    expect(JSON.parse(hubToInvoke(request, { family: "openai", chat }).body)).toEqual({
      messages: [{ role: "user", content: "hi" }],
    });
  });
});

describe("CountTokens", () => {
  it("takes a Converse body or a native one", async () => {
    const modelId = "m";
    const messages = [{ role: "user" as const, content: [{ text: "hi" }] }];
    const converse = await client.send(
      new CountTokensCommand({ modelId, input: { converse: { messages } } }),
    );
    expect(converse.inputTokens).toBe(JSON.stringify({ messages }).length);
    const body = Buffer.from('{"a":1}');
    const invoke = await client.send(new CountTokensCommand({ modelId, input: { invokeModel: { body } } }));
    expect(invoke.inputTokens).toBe(7);
  });
  it.each([{}, { input: {} }, { input: { invokeModel: { body: "*" } } }, { input: { other: {} } }, []])(
    "refuses %o",
    (body) => {
      expect(() => readCountTokens(body)).toThrow(expect.objectContaining({ code: "invalid_request" }));
    },
  );
});
