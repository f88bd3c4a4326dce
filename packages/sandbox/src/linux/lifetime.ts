/** When is a sandbox over? Its holds may go only then: until its init has gone, its processes may still run. */

import type { ChildProcess } from "node:child_process";
import { readFileSync, readSync } from "node:fs";
import { kill } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

/** The init of the PID namespace, by what bwrap wrote to `--json-status-fd`; `undefined` before it exists. */
export function initOf(status: number): number | undefined {
  const found = /"child-pid": (\d+)/.exec(textOf(status))?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Did the command itself run and end? If not, bwrap failed before it. */
export function hasEnded(status: number): boolean {
  return textOf(status).includes('"exit-code"');
}

function textOf(status: number): string {
  const buffer = Buffer.alloc(512);
  return buffer.toString("latin1", 0, readSync(status, buffer, 0, buffer.length, 0));
}

/** The kernel ends an init only after every process of its namespace. */
export async function whenDead(init: number | undefined): Promise<void> {
  while (init !== undefined && isRunning(init)) await sleep(1);
}

function isRunning(init: number): boolean {
  try {
    return /^\d+ \(bwrap\) [^ZX]/.test(readFileSync(`/proc/${init}/stat`, "latin1"));
  } catch {
    return false;
  }
}

/**
 * Kills bwrap and the init directly: bwrap alone would leave an init behind that had not yet asked to die
 * with its parent. `init` answers `undefined` until bwrap has made it.
 */
export async function killSandbox(child: ChildProcess, init: () => number | undefined): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const pid = init();
    if (pid !== undefined) {
      child.kill("SIGKILL");
      signal(pid);
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
