/** The official AWS SDK is the oracle: over a real h2c socket it must read what the encoder writes, and be read. */

import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import {
  BedrockRuntimeClient,
  ConverseCommand,
  type ConverseRequest,
  ConverseStreamCommand,
  type ConverseStreamOutput,
} from "@aws-sdk/client-bedrock-runtime";
import { type Item, type ModelEvent, MohoError, type ResponsesRequest, type Usage } from "@moho/protocol";
import { calls, callsFreeform, says, thinks } from "@moho/testkit";
import { ConverseEncoder, ConverseFold, converseToHub, EventStreamDecoder } from "@moho/wire";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventsOf } from "./converse-answers.ts";

const USAGE: Usage = { input: 10, cacheRead: 4, cacheWrite: 2, output: 5, reasoning: 3 };
const WIRE_USAGE = {
  inputTokens: 10,
  outputTokens: 8,
  totalTokens: 24,
  cacheReadInputTokens: 4,
  cacheWriteInputTokens: 2,
};

let server: Http2Server;
let client: BedrockRuntimeClient;
/** What the next request is answered with, and what the last one was. */
let script: ModelEvent[] = [];
let seen: ResponsesRequest;

beforeAll(async () => {
  server = createServer();
  server.on("request", async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const [, , model, operation] = request.url.split("/");
    seen = converseToHub(JSON.parse(Buffer.concat(chunks).toString()), decodeURIComponent(model!)).request;
    const encoder = new ConverseEncoder({ elapsedMs: () => 12.4 });
    const frames = script.flatMap((event) => encoder.push(event));
    if (operation === "converse") {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(encoder.whole()));
      return;
    }
    response.writeHead(200, { "content-type": "application/vnd.amazon.eventstream" });
    for (const frame of frames) response.write(frame);
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

const ASK: ConverseRequest = {
  modelId: "us.openai.gpt-oss-120b-1:0",
  messages: [{ role: "user", content: [{ text: "hi" }] }],
};

async function stream(events: ModelEvent[]): Promise<ConverseStreamOutput[]> {
  script = events;
  const answer = await client.send(new ConverseStreamCommand(ASK));
  const found: ConverseStreamOutput[] = [];
  for await (const event of answer.stream!) found.push(event);
  return found;
}
const whole = (events: ModelEvent[]) => {
  script = events;
  return client.send(new ConverseCommand(ASK));
};

const ITEMS: Item[] = [
  thinks("I look first", "moho.thinking.c2lnbmF0dXJl"),
  says("Grüße 😀"),
  calls("exec_command", { cmd: "ls" }, "call_1"),
  calls("no_arguments", {}, "call_2"),
];

describe("a ConverseStream", () => {
  it("has its events in order", async () => {
    const found = await stream(eventsOf(ITEMS, USAGE));
    expect(
      found.map((event) => Object.keys(event)[0]).filter((name, at, all) => name !== all[at - 1]),
    ).toEqual([
      "messageStart",
      "contentBlockDelta",
      "contentBlockStop",
      "contentBlockDelta",
      "contentBlockStop",
      "contentBlockStart",
      "contentBlockDelta",
      "contentBlockStop",
      "contentBlockStart",
      "contentBlockDelta",
      "contentBlockStop",
      "messageStop",
      "metadata",
    ]);
    expect(blocksOf(found)).toEqual([
      { reasoning: "I look first", signature: "c2lnbmF0dXJl" },
      { text: "Grüße 😀" },
      { toolUseId: "call_1", name: "exec_command", input: '{"cmd":"ls"}' },
      { toolUseId: "call_2", name: "no_arguments", input: "{}" },
    ]);
    expect(found.at(-2)).toMatchObject({ messageStop: { stopReason: "tool_use" } });
    expect(found.at(-1)).toMatchObject({ metadata: { usage: WIRE_USAGE, metrics: { latencyMs: 12 } } });
  });

  it("carries redacted reasoning, ours and foreign, as blobs", async () => {
    const redacted: Item = { type: "reasoning", summary: [], encrypted_content: "moho.redacted.AQID" };
    const foreign: Item = { type: "reasoning", summary: [], encrypted_content: "gAAAA-opaque_" };
    const found = await stream(eventsOf([redacted, foreign, says("x")], USAGE));
    const blobs = found.flatMap(
      (event) => event.contentBlockDelta?.delta?.reasoningContent?.redactedContent ?? [],
    );
    expect(blobs.map((blob) => Buffer.from(blob).toString("latin1"))).toEqual([
      "\x01\x02\x03",
      "moho.sealed.gAAAA-opaque_",
    ]);
  });

  it.each([
    ["throttled", "ThrottlingException"],
    ["stream_interrupted", "ModelStreamErrorException"],
    ["overloaded", "ServiceUnavailableException"],
    ["internal", "InternalServerException"],
    ["context_overflow", "ValidationException"],
    ["budget_exceeded", "ValidationException"],
  ] as const)("that fails in the middle with %s throws %s after what was sent", async (code, name) => {
    const events = eventsOf([says("half")], USAGE).slice(0, 2);
    script = [...events, { type: "failed", error: new MohoError(code, "It broke."), usage: undefined }];
    const answer = await client.send(new ConverseStreamCommand(ASK));
    const texts: string[] = [];
    const reading = (async () => {
      for await (const event of answer.stream!) texts.push(event.contentBlockDelta?.delta?.text ?? "");
    })();
    await expect(reading).rejects.toMatchObject({ name, message: expect.stringContaining("It broke.") });
    expect(texts.join("")).not.toBe("");
  });

  it.each([
    ["output_limit", "max_tokens"],
    ["content_filtered", "content_filtered"],
  ] as const)("that was cut by %s stops with %s", async (code, stopReason) => {
    const events = eventsOf([says("half")], USAGE).slice(0, -1);
    const found = await stream([
      ...events,
      { type: "failed", error: new MohoError(code, "x"), usage: USAGE },
    ]);
    expect(found.at(-2)).toMatchObject({ messageStop: { stopReason } });
    expect(found.at(-1)).toMatchObject({ metadata: { usage: WIRE_USAGE } });
  });

  it("shows interleaved items one after the other", async () => {
    const [a, b] = [calls("a", { x: 1 }, "call_a"), calls("b", { y: 2 }, "call_b")];
    const events: ModelEvent[] = [
      { type: "item.started", index: 0, item: { ...a, arguments: "" } },
      { type: "item.started", index: 1, item: { ...b, arguments: "" } },
      { type: "arguments.delta", index: 0, delta: '{"x"' },
      { type: "arguments.delta", index: 1, delta: '{"y":2}' },
      { type: "item.done", index: 1, item: b },
      { type: "arguments.delta", index: 0, delta: ":1}" },
      { type: "item.done", index: 0, item: a },
      ...eventsOf([], USAGE),
    ];
    expect(blocksOf(await stream(events))).toEqual([
      { toolUseId: "call_a", name: "a", input: '{"x":1}' },
      { toolUseId: "call_b", name: "b", input: '{"y":2}' },
    ]);
  });

  it("shows an item whole that began while another one was open", async () => {
    const [a, b] = [says("first"), calls("b", { y: 2 }, "call_b")];
    const events: ModelEvent[] = [
      { type: "text.delta", index: 0, delta: "fir" },
      { type: "item.started", index: 1, item: { ...b, arguments: "" } },
      { type: "arguments.delta", index: 1, delta: '{"y"' },
      { type: "item.done", index: 0, item: a },
      { type: "arguments.delta", index: 1, delta: ":2}" },
      { type: "item.done", index: 1, item: b },
      { type: "text.delta", index: 2, delta: "la" },
      { type: "text.delta", index: 3, delta: "mo" },
      { type: "item.done", index: 2, item: says("last") },
      { type: "text.delta", index: 3, delta: "re" },
      { type: "item.done", index: 3, item: says("more") },
      ...eventsOf([], USAGE),
    ];
    expect(blocksOf(await stream(events))).toEqual([
      { text: "first" },
      { toolUseId: "call_b", name: "b", input: '{"y":2}' },
      { text: "last" },
      { text: "more" },
    ]);
  });

  it("is folded back to the same items", async () => {
    const encoder = new ConverseEncoder({ elapsedMs: () => 0 });
    const fold = new ConverseFold({ endpoint: "x" });
    const decoder = new EventStreamDecoder();
    const bytes = Buffer.concat(eventsOf(ITEMS, USAGE).flatMap((event) => encoder.push(event)));
    const events = [...decoder.push(bytes).flatMap((message) => fold.push(message)), ...fold.end()];
    const items = events.flatMap((event) => (event.type === "item.done" ? [event.item] : []));
    expect(items).toMatchObject(ITEMS);
    expect(events.at(-1)).toMatchObject({ type: "completed", usage: { ...USAGE, output: 8, reasoning: 0 } });
  });
});

describe("a Converse answer", () => {
  it("is read whole", async () => {
    const answer = await whole(eventsOf([...ITEMS, callsFreeform("patch", "*** Begin", "call_3")], USAGE));
    expect(answer).toMatchObject({
      stopReason: "tool_use",
      usage: WIRE_USAGE,
      metrics: { latencyMs: 12 },
      output: {
        message: {
          role: "assistant",
          content: [
            { reasoningContent: { reasoningText: { text: "I look first", signature: "c2lnbmF0dXJl" } } },
            { text: "Grüße 😀" },
            { toolUse: { toolUseId: "call_1", name: "exec_command", input: { cmd: "ls" } } },
            { toolUse: { toolUseId: "call_2", name: "no_arguments", input: {} } },
            { toolUse: { toolUseId: "call_3", name: "patch", input: { input: "*** Begin" } } },
          ],
        },
      },
    });
  });
  it("ends its turn without a call", async () => {
    expect((await whole(eventsOf([says("done")], USAGE))).stopReason).toBe("end_turn");
  });
});

describe("a request of the SDK", () => {
  it("is read, blobs and unions and all", async () => {
    script = eventsOf([says("ok")], USAGE);
    await client.send(
      new ConverseCommand({
        modelId: "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-7",
        system: [{ text: "be brief" }],
        inferenceConfig: { maxTokens: 100, temperature: 0.5, stopSequences: ["END"] },
        toolConfig: {
          tools: [{ toolSpec: { name: "ls", inputSchema: { json: { type: "object", properties: {} } } } }],
          toolChoice: { tool: { name: "ls" } },
        },
        messages: [
          {
            role: "user",
            content: [
              { text: "look" },
              { image: { format: "png", source: { bytes: new Uint8Array([1, 2, 3]) } } },
              { document: { format: "pdf", name: "report", source: { bytes: new Uint8Array([4]) } } },
            ],
          },
          {
            role: "assistant",
            content: [
              { reasoningContent: { reasoningText: { text: "hm", signature: "sig" } } },
              { reasoningContent: { redactedContent: new Uint8Array([1, 2, 3]) } },
              { toolUse: { toolUseId: "t1", name: "ls", input: { path: "/" } } },
            ],
          },
          {
            role: "user",
            content: [
              { toolResult: { toolUseId: "t1", content: [{ json: { files: 3 } }], status: "error" } },
            ],
          },
        ],
      }),
    );
    expect(seen).toMatchObject({
      model: "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-7",
      instructions: "be brief",
      max_output_tokens: 100,
      temperature: 0.5,
      stop: ["END"],
      tool_choice: { type: "function", name: "ls" },
      input: [
        {
          role: "user",
          content: [
            { type: "input_text", text: "look" },
            { type: "input_image", image_url: "data:image/png;base64,AQID" },
            { type: "input_file", filename: "report.pdf", file_data: "data:application/pdf;base64,BA==" },
          ],
        },
        { type: "reasoning", summary: [{ text: "hm" }], encrypted_content: "moho.thinking.sig" },
        { type: "reasoning", summary: [], encrypted_content: "moho.redacted.AQID" },
        { type: "function_call", call_id: "t1", name: "ls", arguments: '{"path":"/"}' },
        {
          type: "function_call_output",
          call_id: "t1",
          output: [{ text: "The tool failed:" }, { text: '{"files":3}' }],
        },
      ],
    });
  });
});

/** The content blocks that a client gathers from a stream. */
function blocksOf(events: readonly ConverseStreamOutput[]): unknown[] {
  const blocks: Record<string, string>[] = [];
  for (const event of events) {
    const start = event.contentBlockStart;
    const delta = event.contentBlockDelta;
    if (start?.start?.toolUse !== undefined) {
      const { toolUseId, name } = start.start.toolUse;
      blocks[start.contentBlockIndex!] = { toolUseId: toolUseId!, name: name!, input: "" };
    }
    if (delta === undefined) continue;
    blocks[delta.contentBlockIndex!] ??= {};
    const block = blocks[delta.contentBlockIndex!]!;
    const add = (key: string, text: string | undefined): void => {
      if (text !== undefined) block[key] = (block[key] ?? "") + text;
    };
    add("text", delta.delta?.text);
    add("input", delta.delta?.toolUse?.input);
    add("reasoning", delta.delta?.reasoningContent?.text);
    add("signature", delta.delta?.reasoningContent?.signature);
  }
  return blocks;
}
