/**
 * Prints what the hot paths cost on this machine: `node packages/store/test/measure.ts`. Not a test: times vary.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileLog, openStore, type Store, verifyStream } from "@moho/store";

const RECORD = JSON.stringify({
  eventVersion: "1.11",
  requestParameters: { modelId: "m" },
  pad: "x".repeat(800),
});
const USAGE = { input: 1000, cacheRead: 0, cacheWrite: 0, output: 200, reasoning: 0 };
const CALLS = 20_000;

const folder = mkdtempSync(join(tmpdir(), "moho-measure-"));
const at = Date.now();

async function call(store: Store, id: string, key: number): Promise<void> {
  const scopes = ["organization", "project/default", `principal/${key}`, `key/${key}`];
  await store.ledger.reserve({ id, scopes, amount: 1000, at, leaseUntil: at + 60_000 });
  await Promise.all([
    store.ledger.settle(id, { amount: 700, usage: USAGE, quality: "final" }),
    store.log.append("audit", [RECORD]),
  ]);
}

async function calls(store: Store, callers: number, name: string): Promise<number> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  let next = 0;
  const caller = async (key: number) => {
    while (next < CALLS) await call(store, `${name}/${next++}`, key);
  };
  await Promise.all(Array.from({ length: callers }, (_, key) => caller(key)));
  const wall = ((performance.now() - start) * 1000) / CALLS;
  const { user, system } = process.cpuUsage(cpu);
  console.log(
    `${name.padEnd(34)} ${wall.toFixed(1).padStart(8)} µs wall ${((user + system) / CALLS).toFixed(1).padStart(8)} µs CPU a call`,
  );
  return wall;
}

for (const synchronous of ["normal", "full"] as const) {
  const store = await openStore(`sqlite:${join(folder, `${synchronous}.db`)}`, { synchronous });
  for (const scope of ["organization", "project/default"]) {
    await store.ledger.putBudget({ scope, limit: 1e15, period: "monthly" });
  }
  await calls(store, 1, `${synchronous}, warm-up`);
  await calls(store, 1, `${synchronous}, 1 caller`);
  await calls(store, 32, `${synchronous}, 32 callers`);
  const latencies: number[] = [];
  for (let index = 0; index < 5000; index++) {
    const start = performance.now();
    await store.log.append("latency", [RECORD]);
    latencies.push((performance.now() - start) * 1000);
  }
  latencies.sort((a, b) => a - b);
  console.log(
    `${synchronous}, one append: p50 ${latencies[2500]?.toFixed(0)} µs, p99 ${latencies[4950]?.toFixed(0)} µs`,
  );
  await store.close();
}

const log = openFileLog(join(folder, "files"));
let start = performance.now();
for (let index = 0; index < CALLS; index++) await log.append("thread", [RECORD]);
console.log(`file log, append: ${(((performance.now() - start) * 1000) / CALLS).toFixed(1)} µs`);
start = performance.now();
await verifyStream(log, "thread");
console.log(
  `file log, read and verify: ${(((performance.now() - start) * 1000) / CALLS).toFixed(1)} µs a record`,
);
await log.close();
rmSync(folder, { recursive: true });
