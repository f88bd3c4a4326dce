/** Request bodies: each repeats the last one's bytes, what grows comes last, and nothing is serialised twice. */

import type { Item, ResponsesRequest } from "@moho/protocol";
import { expect, test } from "vitest";
import { BodyEncoder } from "../src/client/body.ts";

const TOOLS: ResponsesRequest["tools"] = [
  { type: "function", name: "exec_command", parameters: { type: "object" } },
];

function request(input: Item[], more: Partial<ResponsesRequest> = {}): ResponsesRequest {
  return {
    input,
    tools: TOOLS,
    model: "gpt",
    store: false,
    tool_choice: "auto",
    prompt_cache_key: "thread",
    client_metadata: { a: "ü" },
    ...more,
  };
}

const user = (content: string): Item => ({ type: "message", role: "user", content });

test("the body is the request, in an order that keeps prefixes", () => {
  const encoder = new BodyEncoder();
  const input = [user("one"), user("zwei ☃ \u2028")];
  const body = encoder.encode(request(input), "openai.gpt-5.6-sol", []);
  expect(JSON.parse(body.toString("utf8"))).toEqual({
    ...request(input),
    model: "openai.gpt-5.6-sol",
    stream: true,
  });
  const keys = Object.keys(JSON.parse(body.toString("utf8")));
  expect(keys).toEqual([
    "model",
    "stream",
    "store",
    "tool_choice",
    "prompt_cache_key",
    "client_metadata",
    "tools",
    "input",
  ]);
});

test("over 200 turns every body begins with the one before", () => {
  const encoder = new BodyEncoder();
  const input: Item[] = [];
  let before = "";
  for (let turn = 0; turn < 200; turn++) {
    input.push(user(`turn ${turn} ${"x".repeat(400)}`));
    const body = encoder.encode(request([...input]), "m", []).toString("utf8");
    if (before) expect(body.startsWith(before.slice(0, -2))).toBe(true);
    before = body;
  }
});

test("an item is serialised once, however often it is sent", () => {
  const encoder = new BodyEncoder();
  let serialised = 0;
  const item = { ...user("x"), toJSON: () => ({ n: ++serialised }) } as unknown as Item;
  for (let turn = 0; turn < 5; turn++) encoder.encode(request([item]), "m", []);
  expect(serialised).toBe(1);
});

test("text input and resumed items form one list; absent fields stay absent; streaming is always on", () => {
  const encoder = new BodyEncoder();
  const body = encoder.encode({ model: "x", input: "hi", stream: false, tools: [] }, "m", [user("more")]);
  expect(body.toString("utf8")).toBe(
    '{"model":"m","stream":true,"input":[{"type":"message","role":"user","content":"hi"},{"type":"message","role":"user","content":"more"}]}',
  );
});
