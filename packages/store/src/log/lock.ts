/**
 * One writer a stream, across processes: a lock file that names its holder. Dead holders are found out by process
 * id and start time; a holder on another machine cannot be, so its lock stands.
 */

import { mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { kill, pid } from "node:process";
import { MohoError } from "@moho/protocol";

interface Holder {
  pid: number;
  host: string;
  /** The kernel's word for when the process started; absent where there is no `/proc`. */
  start: string | undefined;
}

/** A holder writes its name right after it made the file: one that has none by then died in between. */
const NAMELESS_MS = 2_000;
const TAKEOVER_WAIT_MS = 5_000;

/** Takes the lock file at `path` or throws `thread_busy`. The returned function gives it back. */
export function acquireLock(path: string, stream: string): () => void {
  const mine = JSON.stringify({ pid, host: hostname(), start: startOf(pid) } satisfies Holder);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!createLock(path, mine)) takeOver(path, stream, mine);
  return () => {
    if (readOrNothing(path) === mine) unlinkSync(path);
  };
}

/**
 * Replaces the lock of a dead holder. Two processes could find the same dead holder, and the slower one could delete
 * the lock that the faster one just made: so take-overs happen one at a time, under a lock that the kernel holds
 * and frees by itself. SQLite is Node's only door to one.
 */
function takeOver(path: string, stream: string, mine: string): void {
  if (!isStale(path, stream) && createLock(path, mine)) return;
  const { DatabaseSync } = createRequire(import.meta.url)("node:sqlite") as typeof import("node:sqlite");
  const mutex = new DatabaseSync(join(dirname(path), "takeover.sqlite"));
  try {
    mutex.exec(`PRAGMA busy_timeout = ${TAKEOVER_WAIT_MS}; BEGIN EXCLUSIVE`);
    do {
      if (isStale(path, stream)) unlinkSync(path);
    } while (!createLock(path, mine));
  } finally {
    mutex.close();
  }
}

/** Whether there is a lock of a dead holder; throws `thread_busy` when there is one of a living holder. */
function isStale(path: string, stream: string): boolean {
  const content = readOrNothing(path);
  if (content === undefined) return false;
  const holder = parseHolder(content);
  if (holder ? isDead(holder) : ageOf(path) > NAMELESS_MS) return true;
  const by = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
  throw new MohoError("thread_busy", `"${stream}" is being written by ${by} (lock file ${path}).`);
}

function ageOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 0 : Date.now() - stat.mtimeMs;
}

function isDead(holder: Holder): boolean {
  if (holder.host !== hostname()) return false;
  try {
    kill(holder.pid, 0);
  } catch (error) {
    // "Not permitted" means that it lives, as somebody else's.
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
  return holder.start !== undefined && holder.start !== startOf(holder.pid);
}

/** Field 22 of `/proc/<pid>/stat`: a reused process id has another one. */
function startOf(id: number): string | undefined {
  const stat = readOrNothing(`/proc/${id}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

function createLock(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}

function parseHolder(content: string): Holder | undefined {
  const match = /^\{"pid":(\d{1,10}),"host":"([^"\\]*)"(?:,"start":"(\d+)")?\}$/.exec(content);
  return match === null ? undefined : { pid: Number(match[1]), host: match[2]!, start: match[3] };
}
