/**
 * `npm run bench [-- SUITE… --rounds N]`: prints one table a suite and writes `bench/results/<suite>.json`.
 * Every ratio is against a floor measured in the same interleaved run; medians of at least five rounds.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { passes, type Row, table } from "./report.ts";

const SUITES: Record<string, () => Promise<{ suite(rounds: number): Promise<Row[]> }>> = {
  exec: () => import("./suites/exec.ts"),
  gateway: () => import("./suites/gateway.ts"),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string" } },
});
const rounds = Math.max(1, Number(values.rounds ?? 5));
const results = new URL("results/", import.meta.url);
mkdirSync(results, { recursive: true });
for (const name of positionals.length > 0 ? positionals : Object.keys(SUITES)) {
  const load = SUITES[name];
  if (!load) throw new Error(`There is no suite "${name}": ${Object.keys(SUITES).join(", ")}`);
  const rows = await (await load()).suite(rounds);
  console.log(`\n${name}\n${table(rows)}`);
  const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length };
  const record = { suite: name, at: new Date().toISOString(), rounds, machine, rows };
  writeFileSync(new URL(`${name}.json`, results), `${JSON.stringify(record, null, 2)}\n`);
  if (!rows.every(passes)) process.exitCode = 1;
}
