/** Child processes for tests, by the lines they print. Each script ends by itself, should its test die first. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach } from "vitest";

export interface Child {
  process: ChildProcess;
  lines: string[];
  /** Resolves when this many lines were printed. */
  printed(count: number): Promise<void>;
  /** Ends it at once, as a power cut would, and waits until it is gone. */
  kill(): Promise<void>;
  /** Resolves with its exit code. */
  ended: Promise<number | null>;
}

const started = new Set<ChildProcess>();
afterEach(() => {
  for (const child of started) child.kill("SIGKILL");
  started.clear();
});

export function run(script: string, ...args: string[]): Child {
  const path = new URL(`./children/${script}`, import.meta.url).pathname;
  const child = spawn(process.execPath, [path, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  started.add(child);
  const lines: string[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => {
    lines.push(line);
    for (const { count, resolve } of waiting) if (lines.length >= count) resolve();
  });
  const ended = Promise.all([once(child, "exit"), once(reader, "close")]).then(
    ([[code]]) => code as number | null,
  );
  return {
    process: child,
    lines,
    ended,
    async printed(count) {
      const enough = new Promise<void>((resolve) => waiting.push({ count, resolve }));
      if (lines.length < count) await Promise.race([enough, ended.then(() => fail(script, lines))]);
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function fail(script: string, lines: string[]): never {
  throw new Error(`${script} ended after ${lines.length} lines.`);
}
