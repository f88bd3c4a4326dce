/** Starts `moho` as a process, straight from source, in a home of its own. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ThreadEvent } from "@moho/protocol";
import { afterEach } from "vitest";

const DEV = new URL("../src/dev.ts", import.meta.url).pathname;

export interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  /** Everything so far. */
  output(): { stdout: string; stderr: string };
  ended: Promise<Ended>;
}

export interface StartOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** What standard input holds; `"open"` leaves a pipe that never ends. */
  stdin?: string | "open";
  /** A program that starts this one. */
  wrap?: readonly string[];
}

const started = new Set<ChildProcess>();
afterEach(() => {
  for (const child of started) child.kill("SIGKILL");
  started.clear();
});

export function start(words: readonly string[], options: StartOptions = {}): Running {
  const [program, ...args] = [...(options.wrap ?? []), process.execPath, DEV, ...words];
  const child = spawn(program!, args, {
    cwd: options.cwd,
    env: { PATH: process.env["PATH"] ?? "", ...options.env },
    stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  started.add(child);
  if (options.stdin !== undefined && options.stdin !== "open") child.stdin!.end(options.stdin);
  let stdout = "";
  let stderr = "";
  child.stdout!.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr!.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>((resolve) =>
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr })),
  );
  return { child, output: () => ({ stdout, stderr }), ended };
}

export function moho(words: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return start(words, options).ended;
}

/** The events of `exec --json`; a line that is not JSON fails the test. */
export function eventsOf({ stdout }: Ended): ThreadEvent[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as ThreadEvent);
}

/** A Git repository and the environment of a developer with a bearer token whose model is at `url`. */
export function workplace(
  home: string,
  url: string,
): { repo: string; env: Record<string, string>; flags: string[] } {
  const repo = join(home, "repo");
  mkdirSync(repo, { recursive: true });
  execFileSync("git", ["init", "-q", repo]);
  const flags = [
    `model_providers.amazon-bedrock.base_url="${url}/openai/v1"`,
    `model_providers.amazon-bedrock.aws.region="us-east-1"`,
  ].flatMap((setting) => ["-c", setting]);
  return { repo, flags, env: { HOME: home, AWS_BEARER_TOKEN_BEDROCK: "test-token" } };
}

/** Waits until `ready` says so, or fails after ten seconds. */
export async function until(ready: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (ready()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not happen within ten seconds");
}

/** Starts a gateway and resolves with its address once it says that it is ready. */
export async function gateway(
  words: readonly string[],
  options: StartOptions = {},
): Promise<Running & { url: string }> {
  const running = start(["gateway", ...words], options);
  const ready = /http:\S+/;
  void running.ended;
  await until(() => ready.test(running.output().stdout) || running.child.exitCode !== null);
  const url = ready.exec(running.output().stdout)?.[0];
  if (!url) throw new Error(`the gateway did not start: ${running.output().stderr}`);
  return { ...running, url };
}
