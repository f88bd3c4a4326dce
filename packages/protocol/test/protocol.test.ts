import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import {
  addUsage,
  costOf,
  ERRORS,
  formatUsd,
  type ModelPrice,
  MohoError,
  NO_USAGE,
  type ThreadEvent,
  textOf,
  toMohoError,
  totalTokens,
  usdToNano,
} from "../src/index.ts";

const schema = JSON.parse(readFileSync(new URL("../schema/thread-events.v1.json", import.meta.url), "utf8"));
const valid = new Ajv({ allowUnionTypes: true }).compile(schema);

describe("thread events", () => {
  const usage = {
    input_tokens: 3,
    cached_input_tokens: 1,
    cache_write_input_tokens: 0,
    output_tokens: 2,
    reasoning_output_tokens: 1,
  };
  const events: ThreadEvent[] = [
    { type: "thread.started", thread_id: "t", schema_version: 1 },
    { type: "turn.started" },
    { type: "item.started", item: { id: "item_0", type: "agent_message", text: "" } },
    {
      type: "item.completed",
      item: {
        id: "item_1",
        type: "command_execution",
        command: "true",
        aggregated_output: "",
        exit_code: null,
        status: "declined",
      },
    },
    { type: "turn.completed", usage: { ...usage, cost_usd: 0.01 } },
    {
      type: "turn.failed",
      error: {
        message: "m",
        code: "throttled",
        category: "throttled",
        retryable: true,
        next: "n",
        request_id: "r",
      },
      usage,
    },
    { type: "error", message: "retrying" },
  ];
  test.each(events.map((event) => [event.type, event]))("%s is valid", (_, event) => {
    expect(valid(event), JSON.stringify(valid.errors)).toBe(true);
  });
  test("what is not an event is refused", () => {
    expect(valid({ type: "turn.completed" })).toBe(false);
    expect(valid({ type: "turn.completed", usage: { ...usage, input_tokens: -1 } })).toBe(false);
    expect(valid({ type: "item.completed", item: { id: "x", type: "agent_message", text: "" } })).toBe(false);
    expect(valid({ type: "turn.started", extra: 1 })).toBe(false);
  });
});

describe("money", () => {
  const sol: ModelPrice = {
    input: 4400,
    cacheRead: 440,
    cacheWrite: 5500,
    output: 22_000,
    longContext: {
      above: 272_000,
      price: { input: 8800, cacheRead: 880, cacheWrite: 11_000, output: 33_000 },
    },
  };
  test("each bucket has its price, reasoning counts as output", () => {
    const usage = { input: 1000, cacheRead: 10_000, cacheWrite: 100, output: 10, reasoning: 5 };
    expect(costOf(usage, sol)).toBe(1000 * 4400 + 10_000 * 440 + 100 * 5500 + 15 * 22_000);
  });
  test("above the long-context limit the whole call has the long price, cached input included", () => {
    const at = { ...NO_USAGE, input: 200_000, cacheRead: 72_000 };
    expect(costOf(at, sol)).toBe(200_000 * 4400 + 72_000 * 440);
    expect(costOf({ ...at, cacheRead: 72_001 }, sol)).toBe(200_000 * 8800 + 72_001 * 880);
  });
  test("dollars", () => {
    expect(usdToNano(0.1) + usdToNano(0.2)).toBe(usdToNano(0.3));
    expect(formatUsd(0)).toBe("$0.00");
    expect(formatUsd(usdToNano(0.0123))).toBe("$0.0123");
    expect(formatUsd(usdToNano(12.345))).toBe("$12.35");
  });
});

describe("usage and items", () => {
  test("buckets are disjoint, so their sum is the total", () => {
    const usage = { input: 1, cacheRead: 2, cacheWrite: 3, output: 4, reasoning: 5 };
    expect(totalTokens(usage)).toBe(15);
    expect(totalTokens(addUsage(usage, usage))).toBe(30);
  });
  test("text of parts", () => {
    expect(textOf("plain")).toBe("plain");
    const image = { type: "input_image" as const, image_url: "data:," };
    expect(textOf([{ type: "input_text", text: "a" }, image, { type: "refusal", refusal: "b" }])).toBe("ab");
  });
});

describe("errors", () => {
  test("every row has a sentence that says what to do, and a status that fits its category", () => {
    for (const [code, row] of Object.entries(ERRORS)) {
      expect(row.next, code).toMatch(/^[A-Z].*\.$/);
      expect(row.status, code).toBeGreaterThanOrEqual(400);
      if (row.category === "usage") expect(row.status, code).toBeLessThan(500);
    }
  });
  test("a thrown value keeps its cause and its code", () => {
    const cause = new Error("low");
    expect(toMohoError(cause)).toMatchObject({ code: "internal", cause, retryable: false });
    const known = new MohoError("throttled", "slow down", { retryAfter: 3, next: "Wait." });
    expect(toMohoError(known)).toBe(known);
    expect(known).toMatchObject({ status: 429, retryable: true, retryAfter: 3, next: "Wait." });
  });
});
