/** `npm run check`: format and lint, types, architecture, documents. Runs all, prints what failed, exits 1. */

import { spawnSync } from "node:child_process";
import { checkArchitecture } from "./architecture.ts";
import { checkDocuments } from "./documents.ts";

const root = new URL("../../", import.meta.url).pathname;

function run(command: string, args: string[]): string[] {
  const done = spawnSync(`${root}node_modules/.bin/${command}`, args, { cwd: root, encoding: "utf8" });
  return done.status === 0 ? [] : [`${done.stdout}${done.stderr}`.trim() || `${command} did not start`];
}

const steps: [name: string, problems: () => string[] | Promise<string[]>][] = [
  ["format and lint", () => run("biome", ["check", "--error-on-warnings", "."])],
  ["types", () => run("tsc", ["-p", "."])],
  ["architecture", () => checkArchitecture(root)],
  ["documents", () => checkDocuments(root)],
];

let failed = 0;
for (const [name, problems] of steps) {
  const began = performance.now();
  const found = await problems();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${found.length === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  for (const problem of found) console.log(problem.replace(/^/gm, "     "));
  failed += found.length;
}
process.exitCode = failed === 0 ? 0 : 1;
