/** Running and measuring processes: wall time, CPU of the tree, peak resident memory of the tree; medians. */

import { type ChildProcess, fork, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export interface Run {
  /** Milliseconds from spawn to exit. */
  wall: number;
  /** Milliseconds on the machine's monotonic clock when the process was spawned. */
  began: number;
  /** User and system CPU of the process and its waited-for children, milliseconds. */
  cpu: number;
  /** Peak of the summed resident sets of the tree, sampled every 5 ms, MiB. */
  rss: number;
  stdout: string;
}

export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Resident MiB of a process and everything below it. */
export function treeRss(pid: number): number {
  let pages = 0;
  const walk = (id: number): void => {
    try {
      pages += Number(readFileSync(`/proc/${id}/statm`, "utf8").split(" ")[1]);
      for (const thread of readdirSync(`/proc/${id}/task`))
        for (const child of readFileSync(`/proc/${id}/task/${thread}/children`, "utf8").trim().split(" "))
          if (child) walk(Number(child));
    } catch {
      // It ended between two looks.
    }
  };
  walk(pid);
  return (pages * 4096) / 2 ** 20;
}

/** Precise CPU of a process by its scheduler accounting, milliseconds (nanosecond source). */
export function schedCpu(pid: number): number {
  let total = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`))
    total += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  return total / 1e6;
}

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Sampling memory costs CPU on a small machine: only where it is asked for. */
  memory?: boolean;
  /** Runs below a shell that accounts the CPU of the whole tree; adds its own start to the wall time. */
  cpu?: boolean;
}

const ACCOUNTED = ["bash", "-c", `TIMEFORMAT="cpu %U %S"; time "$@"`, "bench"];

/** Runs one command to its end. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const [program, ...args] = options.cpu ? [...ACCOUNTED, ...argv] : argv;
  const began = now();
  const child = spawn(program!, args, {
    cwd: options.cwd,
    env: { PATH: process.env["PATH"] ?? "", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  let rss = 0;
  const sampler = options.memory
    ? setInterval(() => {
        rss = Math.max(rss, treeRss(child.pid!));
      }, 5)
    : undefined;
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearInterval(sampler);
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}:\n${stderr.slice(-2000)}`);
  const accounted = /cpu ([\d.]+) ([\d.]+)\s*$/.exec(stderr);
  const cpu = accounted ? (Number(accounted[1]) + Number(accounted[2])) * 1000 : 0;
  return { wall: now() - began, began, cpu, rss, stdout };
}

export interface Server {
  port: number;
  url: string;
  child: ChildProcess;
  close(): void;
}

/** Starts a script that reports its port over IPC. */
export async function startServer(
  script: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Server> {
  const child = fork(new URL(script, import.meta.url), args, {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const { port } = await new Promise<{ port: number }>((resolve, reject) => {
    child.once("message", (message) => resolve(message as { port: number }));
    child.once("exit", (code) => reject(new Error(`${script} ended with ${code}`)));
  });
  return { port, url: `http://127.0.0.1:${port}`, child, close: () => child.kill() };
}
