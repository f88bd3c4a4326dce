/**
 * Sockets of the host that a read-only mount does not protect: connecting is not writing to the file system, so
 * `docker.sock`, a terminal multiplexer's or an agent's socket would be a way out. They are covered one by one.
 * Not seen are sockets bound by a relative path, and those made in the last second or while a command is running.
 */

import { readFileSync, rmSync } from "node:fs";
import { lstatOf } from "../paths.ts";

/**
 * A socket that has just been made is likely to be gone again before it is covered, and what is not there cannot be:
 * the command would fail to start.
 */
const SETTLED_MS = 1_000;

/** Paths of the sockets bound in this network namespace (`proc_net(5)`, `/proc/net/unix`). */
export function boundSockets(): string[] {
  const paths = read("/proc/net/unix")
    .split("\n")
    .map((line) => line.slice(line.indexOf(" /") + 1))
    .filter((path) => path.startsWith("/"));
  return [...new Set(paths)].filter(isSettled);
}

/** By the time of birth, which a command cannot change; a file system without one says 1970. */
function isSettled(path: string): boolean {
  const found = lstatOf(path);
  return found?.isSocket() === true && Date.now() - found.birthtimeMs > SETTLED_MS;
}

/** Sockets mounted from elsewhere, as containers do with `docker.sock`: their owner's network namespace is another. */
export function mountedSockets(): string[] {
  return read("/proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" "))
    .filter((fields) => fields[3] !== undefined && fields[3] !== "/")
    .map((fields) => unescaped(fields[4] ?? ""))
    .filter((path) => lstatOf(path)?.isSocket());
}

/** Mount points write blanks and backslashes as three octal digits. */
function unescaped(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** Where a socket had gone all the same, bwrap made an empty file to cover: that goes. */
export function removeMadeUp(paths: readonly string[]): void {
  for (const path of paths) {
    const found = lstatOf(path);
    if (found?.isFile() && found.size === 0) rmSync(path, { force: true });
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
