/** The most a call can cost. */

import { MohoError } from "@moho/protocol";
import { peekResponses } from "@moho/wire";
import { expect, test } from "vitest";
import { askOf, worstCase } from "../src/admission.ts";
import { FACTS, request } from "./world.ts";

const ask = (body: object) => {
  const bytes = Buffer.from(request(body));
  return askOf(peekResponses(bytes), bytes);
};
const windowed = { ...FACTS, contextWindow: 100_000 };

test("a token is at least a byte; output is the request's cap or the model's", () => {
  const bytes = request().length;
  expect(worstCase("m", ask({}), FACTS)).toMatchObject({
    inputTokens: bytes,
    outputTokens: 1_000,
    amount: bytes * 1_000 + 1_000 * 10_000,
    least: bytes * 1_000 + 16 * 10_000,
  });
  expect(worstCase("m", ask({ max_output_tokens: 10 }), FACTS)).toMatchObject({ outputTokens: 10 });
  expect(worstCase("m", ask({ max_output_tokens: Number.MAX_SAFE_INTEGER }), FACTS).outputTokens).toBe(1_000);
});

test.each<[string, object]>([
  ["a previous response", { previous_response_id: "resp_1" }],
  ["a conversation", { conversation: "conv_1" }],
  ["a stored prompt", { prompt: { id: "p" } }],
  ["a file", { input: [{ role: "user", content: [{ type: "input_file", file_id: "f" }] }] }],
  ["a web search", { tools: [{ type: "web_search", external_web_access: false }] }],
  ["a remote tool server in a namespace", { tools: [{ type: "namespace", tools: [{ type: "mcp" }] }] }],
  ["a kind of content that nobody knows", { input: [{ role: "user", content: [{ type: "input_video" }] }] }],
  ["an item reference", { input: [{ type: "item_reference", id: "i" }] }],
])("input that the body does not show counts as the whole window: %s", (_, body) => {
  expect(worstCase("m", ask(body), windowed).inputTokens).toBe(100_000);
});

test("an image counts more than its address has bytes, also when it hides behind escapes", () => {
  const image = {
    input: [{ role: "user", content: [{ type: "input_image", image_url: "http://x/y.png" }] }],
  };
  const plain = request(image);
  expect(worstCase("m", ask(image), windowed).inputTokens).toBe(plain.length + 16_384);
  const hidden = Buffer.from(plain.replace("input_image", "input_im\\u0061ge"));
  expect(worstCase("m", askOf(peekResponses(hidden), hidden), windowed).inputTokens).toBe(
    hidden.length + 16_384,
  );
  const shot = {
    input: [{ type: "computer_call_output", output: { type: "computer_screenshot", file_id: "f" } }],
  };
  expect(worstCase("m", ask(shot), windowed).inputTokens).toBe(request(shot).length + 16_384);
  const told = { instructions: [{ role: "system", content: [{ type: "input_image", file_id: "f" }] }] };
  expect(worstCase("m", ask(told), windowed).inputTokens).toBe(request(told).length + 16_384);
});

test("the dearest price that could apply: cache writes, long context", () => {
  const price = {
    ...FACTS.price!,
    cacheWrite: 1_250,
    longContext: { above: 10, price: { input: 2_000, cacheRead: 1, cacheWrite: 2_500, output: 15_000 } },
  };
  const worst = worstCase("m", ask({}), { ...FACTS, price });
  expect(worst).toMatchObject({ inputRate: 2_500, outputRate: 15_000 });
  const short = worstCase("m", ask({}), {
    ...FACTS,
    price: { ...price, longContext: { ...price.longContext, above: 1e6 } },
  });
  expect(short).toMatchObject({ inputRate: 1_250, outputRate: 10_000 });
});

test("tools that the client runs cost their bytes", () => {
  const tools = [{ type: "function", name: "f" }, { type: "custom" }, { type: "tool_search" }];
  expect(worstCase("m", ask({ tools }), windowed).inputTokens).toBe(request({ tools }).length);
});

test("a hosted tool with a fee for each call is not priced", () => {
  const tools = [{ type: "web_search" }, { type: "image_generation" }];
  expect(() => worstCase("m", ask({ tools }), windowed)).toThrow(
    /hosted tool "image_generation" have no price/,
  );
});

test("what is likely: three bytes a token, but each character beyond ASCII at least one", () => {
  const likely = (input: string) => worstCase("m", ask({ input }), windowed).likelyInputTokens;
  expect(likely("x".repeat(3_000)) - likely("")).toBe(1_000);
  expect(likely("漢".repeat(1_000)) - likely("")).toBe(1_000);
  expect(likely("é".repeat(1_000)) - likely("")).toBe(1_000);
});

test("no price, no call", () => {
  expect(() => worstCase("m", ask({}), undefined)).toThrow(MohoError);
  expect(() => worstCase("m", ask({}), { ...FACTS, price: undefined })).toThrow("has no price");
});
