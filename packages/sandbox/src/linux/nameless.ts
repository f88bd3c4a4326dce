/** Files without a name: bytes that pass between processes through a descriptor and that nobody else can open. */

import { randomUUID } from "node:crypto";
import { openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

/** A descriptor of a new file that has already lost its name. */
export function openNameless(directory: string, content: Uint8Array): number {
  const path = join(directory, `fd-${randomUUID()}`);
  const descriptor = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  writeSync(descriptor, content);
  return descriptor;
}

/** The same file from its start, with an offset of its own. */
export function reopen(descriptor: number): number {
  return openSync(`/proc/self/fd/${descriptor}`, "r");
}
