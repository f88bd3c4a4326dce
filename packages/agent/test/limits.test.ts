/** Money, calls and the window: a turn stops before it breaks them. */

import type { Usage } from "@moho/protocol";
import { MohoError } from "@moho/protocol";
import { expect, test } from "vitest";
import { completed, done, exec, fail, INFO, message, say, scriptedModel, USAGE } from "./support/model.ts";
import { makeWorld } from "./support/world.ts";

const DOLLAR = 1e9;

test("a stuck loop ends before the cap, and within one call's worst case of it", async () => {
  const world = makeWorld();
  const price = { input: 1000, cacheRead: 100, cacheWrite: 1250, output: 10_000 };
  for (const maxCost of [0.05 * DOLLAR, 0.2 * DOLLAR, 1 * DOLLAR]) {
    const usage: Usage = { input: 5000, cacheRead: 3000, cacheWrite: 0, output: 400, reasoning: 100 };
    const model = scriptedModel([() => [...done([exec("true")]), completed(usage)]], { price });
    const events = await world.run(model, await world.thread(), "loop", { limits: { maxCost } });
    const end = events.at(-1)!;
    expect(end).toMatchObject({
      type: "turn.failed",
      error: { code: "cost_limit_reached", category: "budget" },
    });
    const spent = (end as { usage: { cost_usd: number } }).usage.cost_usd * DOLLAR;
    const perCall = 5000 * 1000 + 3000 * 100 + 500 * 10_000;
    expect(spent).toBe(model.requests.length * perCall);
    expect(spent).toBeLessThanOrEqual(maxCost);
    const worstInput = 9000 * 1250;
    expect(spent).toBeGreaterThan(maxCost - perCall - worstInput - 256 * 10_000);
  }
});

test("near the cap an answer gets only the tokens that it can pay, and hitting that is the cost limit", async () => {
  const world = makeWorld();
  const model = scriptedModel([fail(new MohoError("output_limit", "Too long."), [message("half")], USAGE)]);
  const events = await world.run(model, await world.thread(), "write", {
    limits: { maxCost: 0.05 * DOLLAR },
  });
  const { max_output_tokens } = JSON.parse(model.requests[0]!);
  expect(max_output_tokens).toBeGreaterThan(4000);
  expect(max_output_tokens).toBeLessThan(5000);
  expect(events.at(-1)).toMatchObject({
    type: "turn.failed",
    error: {
      code: "cost_limit_reached",
      message: `The cost limit left ${max_output_tokens} tokens for an answer that needed more.`,
    },
    usage: { input_tokens: 1500 },
  });
  const rich = scriptedModel([say(message("ok"))]);
  await world.run(rich, await world.thread(), "write", { limits: { maxCost: 100 * DOLLAR } });
  expect(JSON.parse(rich.requests[0]!)).not.toHaveProperty("max_output_tokens");
});

test("without a price a cost limit refuses to start, and without a limit the cost is not invented", async () => {
  const world = makeWorld();
  const model = scriptedModel([say(message("ok"))], { price: undefined });
  const refused = await world.run(model, await world.thread(), "go", { limits: { maxCost: DOLLAR } });
  expect(refused.at(-1)).toMatchObject({ type: "turn.failed", error: { code: "model_not_priced" } });
  expect(model.requests).toEqual([]);
  const events = await world.run(model, await world.thread(), "go");
  expect(events.at(-1)).toEqual({
    type: "turn.completed",
    usage: {
      input_tokens: 1500,
      cached_input_tokens: 500,
      cache_write_input_tokens: 0,
      output_tokens: 120,
      reasoning_output_tokens: 20,
    },
  });
});

test("usage that the model never reported is charged by estimate; a call that brought nothing is free", async () => {
  const world = makeWorld();
  const silent = scriptedModel([() => [...done([message("x".repeat(4000))]), completed(undefined as never)]]);
  silent.stream = async function* () {
    yield* done([message("x".repeat(4000))]);
    yield { type: "completed", responseId: undefined, requestId: undefined, usage: undefined };
  };
  const events = await world.run(silent, await world.thread(), "go");
  const { usage } = events.at(-1) as { usage: { input_tokens: number; output_tokens: number } };
  expect(usage.output_tokens).toBeGreaterThanOrEqual(1000);
  expect(usage.input_tokens).toBeGreaterThan(1000);
  const dead = scriptedModel([fail(new MohoError("throttled", "No."))]);
  expect((await world.run(dead, await world.thread())).at(-1)).toMatchObject({
    usage: { input_tokens: 0, cost_usd: 0 },
  });
});

test("so many calls and no more", async () => {
  const world = makeWorld();
  const model = scriptedModel([say(exec("true"))]);
  const events = await world.run(model, await world.thread(), "loop", { limits: { maxTurns: 3 } });
  expect(model.requests).toHaveLength(3);
  expect(events.at(-1)).toMatchObject({ type: "turn.failed", error: { code: "turn_limit_reached" } });
});

test("a request that would not fit the window is not sent, and says what to do", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const usage = { ...USAGE, input: 50_000 };
  const model = scriptedModel(
    [() => [...done([exec("head -c 39000 /dev/zero | tr '\\0' x")]), completed(usage)]],
    { contextWindow: 60_000 },
  );
  const events = await world.run(model, thread, "fill");
  expect(model.requests).toHaveLength(1);
  expect(events.at(-1)).toMatchObject({
    type: "turn.failed",
    error: {
      code: "context_overflow",
      category: "overflow",
      next: "Start a new thread, and hand it what matters of this one.",
    },
  });
  const larger = scriptedModel([say(message("ok"))], { ...INFO, contextWindow: 100_000 });
  expect((await world.run(larger, thread, "go on")).at(-1)!.type).toBe("turn.completed");
});

test("a picture is not counted by its bytes", async () => {
  const world = makeWorld();
  const image_url = `data:image/png;base64,${"A".repeat(4_000_000)}`;
  const model = scriptedModel([say(message("a cat"))], { contextWindow: 20_000 });
  const events = await world.run(model, await world.thread(), [{ type: "input_image", image_url }]);
  expect(events.at(-1)!.type).toBe("turn.completed");
});

test("broken tries count against the cost limit: the next try is refused, and the turn tells what was used", async () => {
  const world = makeWorld();
  const spent = { input: 1000, cacheRead: 0, cacheWrite: 0, output: 4900, reasoning: 0 };
  const error = new MohoError("stream_interrupted", "Cut.");
  const model = scriptedModel([
    () => [
      { type: "request.retrying", attempt: 1, waitMs: 1, error, spent },
      ...done([message("must not be read")]),
      completed(),
    ],
  ]);
  const events = await world.run(model, await world.thread(), "go", { limits: { maxCost: 0.05 * DOLLAR } });
  expect(events.at(-1)).toMatchObject({
    type: "turn.failed",
    error: { code: "cost_limit_reached" },
    usage: { input_tokens: 1000, output_tokens: 4900 },
  });
  expect(events.some((event) => event.type === "item.completed")).toBe(false);
});
