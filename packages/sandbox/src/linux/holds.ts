/**
 * Keeps a path from being made inside a sandbox. Bubblewrap can only mount over what exists, so for as long as a
 * command runs an empty directory stands there, and nothing but directories is ever made: git and most tools
 * do not see empty ones. Every user keeps a directory of its own inside, so the stand-in can be removed
 * exactly when its last user, of whichever process, has left: the kernel refuses to remove it earlier.
 */

import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import { pid } from "node:process";
import { MohoError } from "@moho/protocol";
import { lstatOf } from "../paths.ts";

const PREFIX = "moho-hold-";
/** Marks a stand-in: nobody gives an empty settings folder the sticky bit. */
const STICKY = 0o1000;
const TRIES = 100;

export interface Hold {
  path: string;
  /** Leaves, and removes the stand-in if nobody else holds it. Never rejects. */
  release(): Promise<void>;
}

/** PID namespace, process and its start time: what tells processes apart, also across containers that share a disk. */
let self: string | undefined;
let count = 0;

/** `undefined` where this user cannot create anything, so that a command cannot either. */
export function hold(path: string): Hold | undefined {
  self ??= `${namespaceOf()}-${pid}-${startOf(pid)}`;
  count += 1;
  const own = join(path, `${PREFIX}${self}-${count}`);
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (!["made", "there"].includes(make(path))) return undefined;
    const mark = make(own);
    if (mark === "made") return { path, release: () => removed(own).then(() => removed(path)) };
    if (mark === "refused") return { path, release: async () => {} }; // another user's stand-in
    // "gone": another process has just removed the stand-in, so it is made again.
  }
  throw new MohoError(
    "sandbox_unavailable",
    `${path} could not be kept from being created: it comes and goes.`,
  );
}

/** Is this a stand-in, or one that has just gone? Those of dead processes are cleared on the way. */
export function isStandIn(path: string): boolean {
  const found = lstatOf(path);
  if (found === undefined) return true;
  if (!found.isDirectory() || (found.mode & STICKY) === 0) return false;
  const names = entries(path);
  if (!names.every((name) => name.startsWith(PREFIX))) return false;
  for (const name of names.filter(isStale)) remove(join(path, name));
  return true;
}

/** Empty when it has just gone. */
function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function isStale(name: string): boolean {
  const [namespace, process, started] = name.slice(PREFIX.length).split("-");
  return namespace === namespaceOf() && startOf(Number(process)) !== started;
}

function namespaceOf(): string {
  return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
}

/** Start time in clock ticks since boot (`proc_pid_stat(5)`, field 22); empty for a process that is gone. */
function startOf(process: number): string {
  try {
    const stat = readFileSync(`/proc/${process}/stat`, "latin1");
    const [state = "Z", ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return "ZX".includes(state) ? "" : (fields[18] ?? "");
  } catch {
    return "";
  }
}

const OUTCOMES: Readonly<Record<string, "there" | "gone" | "refused">> = {
  EEXIST: "there",
  ENOENT: "gone",
  EACCES: "refused",
  EPERM: "refused",
  EROFS: "refused",
};

function make(path: string): "made" | "there" | "gone" | "refused" {
  try {
    mkdirSync(path, STICKY | 0o755);
    return "made";
  } catch (error) {
    const outcome = OUTCOMES[(error as NodeJS.ErrnoException).code ?? ""];
    if (outcome === undefined) throw error;
    return outcome;
  }
}

/** Off this thread: the kernel may have to wait for the sandbox's mounts to go. */
function removed(path: string): Promise<void> {
  return rmdir(path).catch(() => {}); // another process holds it, filled it or was faster
}

function remove(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Another process holds it, filled it or was faster.
  }
}
