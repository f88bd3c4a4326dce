/** What cannot be recorded must not happen; what happened is recorded, later if it must be. */

import { MohoError } from "@moho/protocol";
import type { Ledger, Log } from "@moho/store";
import { afterEach, expect, test } from "vitest";
import type { GatewayDeps } from "../src/index.ts";
import { errorOf, post, request, startWorld, until, type World } from "./world.ts";

let world: World;
afterEach(() => world.close());

/** A store that refuses to write while `broken`. */
function breakable() {
  const state = { broken: false };
  const guard = <T extends object>(port: T, methods: readonly (keyof T)[]): T =>
    new Proxy(port, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (!methods.includes(name as keyof T)) return value.bind(target);
        return (...args: unknown[]) =>
          state.broken
            ? Promise.reject(new MohoError("unavailable", "The store could not write: disk full."))
            : value.apply(target, args);
      },
    });
  const deps = ({ ledger, log }: GatewayDeps) => ({
    ledger: guard<Ledger>(ledger, ["reserve", "settle", "expire"]),
    log: guard<Log>(log, ["append"]),
  });
  return { state, deps };
}

test("a store that breaks in the middle of a call: the call ends, later ones are refused, nothing is lost", async () => {
  const { state, deps } = breakable();
  world = await startWorld({
    store: "sqlite",
    deps,
    script: () => ({ faults: [{ kind: "pause", after: 1, ms: 50 }] }),
  });
  const answer = post(world, request({ stream: true }));
  await until(() => world.model.requests.length === 1);
  state.broken = true;
  expect(await (await answer).text()).toContain("response.completed");
  await until(async () => (await fetch(`${world.base}/readyz`)).status === 503);
  const response = await post(world, request());
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await errorOf(response)).toMatchObject({ status: 503, code: "service_unavailable" });
  expect(world.model.requests).toHaveLength(1);
  expect((await fetch(`${world.base}/healthz`)).status).toBe(200);

  state.broken = false;
  await until(async () => (await fetch(`${world.base}/readyz`)).status === 200);
  const records = await world.records(1);
  expect(records).toHaveLength(1);
  expect(records[0].additionalEventData.quality).toBe("final");
  const { calls, amount } = await world.store.ledger.spent("organization", 0);
  expect([calls, amount]).toEqual([1, records[0].additionalEventData.costNanoUsd]);
  expect((await post(world, request())).status).toBe(200);
});

test("a store that is broken before: no call is made, and the refusal is recorded when it can be", async () => {
  const { state, deps } = breakable();
  world = await startWorld({ deps });
  state.broken = true;
  expect((await post(world, request())).status).toBe(503);
  expect((await post(world, request())).status).toBe(503);
  expect(world.model.requests).toEqual([]);
  state.broken = false;
  const records = await world.records(1);
  expect(records.map((record) => record.errorCode)).toEqual(["unavailable"]);
});

test("a gateway does not start on a store that cannot be written", async () => {
  const { state, deps } = breakable();
  world = await startWorld();
  state.broken = true;
  await expect(startWorld({ deps })).rejects.toThrow("disk full");
});

test("what was owed is written when the gateway stops", async () => {
  const { state, deps } = breakable();
  world = await startWorld({ deps });
  state.broken = true;
  await post(world, request());
  state.broken = false;
  await world.gateway.close();
  expect(await world.records(1)).toHaveLength(1);
});
