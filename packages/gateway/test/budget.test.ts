/** Money: nothing is spent that was not reserved, and no budget is overshot, whatever is asked. */

import { says } from "@moho/testkit";
import { afterEach, describe, expect, test } from "vitest";
import {
  errorOf,
  MODEL,
  post,
  request,
  startWorld,
  USAGE,
  until,
  type World,
  type WorldOptions,
} from "./world.ts";

let world: World;
const start = async (options?: WorldOptions) => {
  world = await startWorld(options);
};
afterEach(() => world.close());

const state = async (scope: string) => (await world.store.ledger.budgets(Date.now(), [scope]))[0]!;

describe.each(["memory", "sqlite"] as const)("with a %s store", (store) => {
  test("200 calls at once on a budget for 10: exactly 10 get in, overshoot 0", async () => {
    // Each call really costs its worst case: all its input tokens at the full price, all its output tokens.
    const body = request({ max_output_tokens: 100, stream: true });
    const usage = { input: body.length, cacheRead: 0, cacheWrite: 0, output: 100, reasoning: 0 };
    const worst = body.length * 1_000 + 100 * 10_000;
    await start({ store, script: () => ({ items: [says("ok")], usage, pace: { events: 3, everyMs: 20 } }) });
    // Too little is left after ten for even sixteen tokens.
    const limit = worst * 10 + 1_000;
    await world.store.ledger.putBudget({ scope: "organization", limit, period: "total" });
    let watching = true;
    let most = 0;
    const watch = (async () => {
      while (watching) {
        const { settled, reserved } = await state("organization");
        most = Math.max(most, settled + reserved);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    const answers = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const response = await post(world, body);
        await response.text();
        return response.status;
      }),
    );
    const records = await world.records(200);
    watching = false;
    await watch;
    expect(answers.filter((status) => status === 200)).toHaveLength(10);
    expect(answers.filter((status) => status === 402)).toHaveLength(190);
    expect(most).toBeLessThanOrEqual(limit);
    expect(await state("organization")).toMatchObject({ settled: worst * 10, reserved: 0 });
    expect(records.filter((record) => record.errorCode === "budget_exceeded")).toHaveLength(190);
    expect(world.model.requests).toHaveLength(10);
  });
});

describe("a budget that buys less than was asked", () => {
  test("clamps the output in the body's bytes and says so", async () => {
    await start();
    const body = `{"model":"${MODEL}", "max_output_tokens" : 900 ,"input":"x"}`;
    const limit = body.length * 1_000 + 100 * 10_000 + 5_000;
    await world.store.ledger.putBudget({ scope: "key/anything", limit: 1, period: "daily" });
    await world.store.ledger.putBudget({ scope: "project/default", limit, period: "daily" });
    const response = await post(world, body);
    expect(response.status).toBe(200);
    expect(response.headers.get("x-moho-clamped-max-output-tokens")).toBe("100");
    expect(world.model.requests[0]!.body.toString()).toBe(body.replace("900", "100"));
    const [record] = await world.records(1);
    expect(record.additionalEventData.reservation).toMatchObject({
      amountNanoUsd: limit,
      clampedMaxOutputTokens: 100,
    });
  });

  test("clamps a request that named no maximum", async () => {
    await start();
    const body = request();
    await world.store.ledger.putBudget({
      scope: "organization",
      limit: body.length * 1_000 + 16 * 10_000,
      period: "daily",
    });
    expect((await post(world, body)).status).toBe(200);
    expect(world.model.requests[0]!.json).toMatchObject({ max_output_tokens: 16, model: MODEL });
  });

  test("refuses when not even sixteen tokens are left, with remaining, reset and owner", async () => {
    await start();
    const body = request();
    const limit = body.length * 1_000 + 16 * 10_000 - 1;
    await world.store.ledger.putBudget({
      scope: "organization",
      limit,
      period: "monthly",
      owner: "finance@example.com",
    });
    const response = await post(world, body);
    expect(response.headers.get("x-should-retry")).toBe("false");
    const { status, code, message } = await errorOf(response);
    expect([status, code]).toEqual([402, "budget_exceeded"]);
    expect(message).toMatch(
      /The monthly budget "organization" of \$0\.0002 has \$0\.0002 left; this request may cost \$0\.0101\./,
    );
    expect(message).toMatch(
      /It resets at \d{4}-\d\d-01T00:00:00(\.000)?Z\. Its owner is finance@example\.com\./,
    );
    expect(world.model.requests).toEqual([]);
    expect(await state("organization")).toMatchObject({ settled: 0, reserved: 0 });
  });
});

describe("nothing is forwarded that was not reserved", () => {
  const reserved = async () => (await world.records(1))[0].additionalEventData.reservation.amountNanoUsd;

  test("input that a hosted tool may bring", async () => {
    const usage = { input: 90_000, cacheRead: 0, cacheWrite: 0, output: 20, reasoning: 0 };
    await start({ script: () => ({ items: [says("found")], usage }) });
    await (await post(world, request({ tools: [{ type: "web_search" }], max_output_tokens: 20 }))).text();
    const [record] = await world.records(1);
    const { reservation, costNanoUsd } = record.additionalEventData;
    expect(costNanoUsd).toBe(90_000 * 1_000 + 20 * 10_000);
    expect(reservation.amountNanoUsd).toBeGreaterThanOrEqual(costNanoUsd);
  });

  test("an output above the model's", async () => {
    await start();
    const body = request({ max_output_tokens: 5_000_000 });
    await (await post(world, body)).text();
    expect(world.model.requests[0]!.json).toMatchObject({ max_output_tokens: 1_000 });
    expect(await reserved()).toBe(body.length * 1_000 + 1_000 * 10_000);
  });

  test("a body whose output fits passes as it is", async () => {
    await start();
    const body = request({ max_output_tokens: 1_000 });
    await (await post(world, body)).text();
    expect(world.model.requests[0]!.body.toString()).toBe(body);
  });

  test.each([0, 1, 15])("a maximum of %d output tokens is none", async (max_output_tokens) => {
    await start();
    expect(await errorOf(await post(world, request({ max_output_tokens })))).toMatchObject({
      status: 400,
      message: expect.stringContaining("`max_output_tokens` must be at least 16."),
    });
    expect(world.model.requests).toEqual([]);
  });
});

test("what was really used replaces what was reserved", async () => {
  await start({
    script: () => ({ items: [says("ok")], usage: USAGE, faults: [{ kind: "pause", after: 2, ms: 60 }] }),
  });
  await world.store.ledger.putBudget({ scope: "organization", limit: 1e9, period: "daily" });
  const body = request({ stream: true, max_output_tokens: 500 });
  const answer = post(world, body).then((response) => response.text());
  await until(() => world.model.requests.length === 1);
  expect(await state("organization")).toMatchObject({
    settled: 0,
    reserved: body.length * 1_000 + 500 * 10_000,
  });
  await answer;
  await world.records(1);
  expect(await state("organization")).toMatchObject({ settled: 100_000 + 4_000 + 250_000, reserved: 0 });
});

test("a report of absurdly many tokens does not stop the gateway", async () => {
  const usage = { input: 2 ** 52, cacheRead: 0, cacheWrite: 0, output: 2 ** 52, reasoning: 0 };
  await start({ script: () => ({ items: [says("ok")], usage }) });
  await (await post(world, request())).text();
  const [record] = await world.records(1);
  expect(record.additionalEventData.quality).toBe("estimated");
  expect((await post(world, request())).status).toBe(200);
});
