/** When is a sandbox over? Its holds may go only then: until its init has gone, its processes may still run. */

import type { ChildProcess } from "node:child_process";
import { readFileSync, readSync } from "node:fs";
import { kill } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Hold } from "./holds.ts";

/** The init of the PID namespace, as bwrap wrote it to `--info-fd`; `undefined` before it exists. */
export function initOf(status: number): number | undefined {
  const buffer = Buffer.alloc(256);
  const text = buffer.toString("latin1", 0, readSync(status, buffer, 0, buffer.length, 0));
  const found = /"child-pid": (\d+)/.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The kernel ends an init only after every process of its namespace. */
export async function releaseWhenDead(init: number | undefined, held: readonly Hold[]): Promise<void> {
  while (init !== undefined && isRunning(init)) await sleep(1);
  await Promise.all(held.map((one) => one.release()));
}

function isRunning(init: number): boolean {
  try {
    return /^\d+ \(bwrap\) [^ZX]/.test(readFileSync(`/proc/${init}/stat`, "latin1"));
  } catch {
    return false;
  }
}

/**
 * Kills the init directly, then bwrap: bwrap alone would leave an init behind that had not yet asked to die
 * with its parent. `init` answers `undefined` until bwrap has made it.
 */
export async function killSandbox(child: ChildProcess, init: () => number | undefined): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const pid = init();
    if (pid !== undefined) {
      signal(pid);
      child.kill("SIGKILL");
      return;
    }
    await sleep(1);
  }
}

function signal(pid: number): void {
  try {
    kill(pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}
