/** Descriptors this process was started with and that its children would get as well. */

import { readdirSync, readFileSync } from "node:fs";

const CLOSE_ON_EXEC = 0o2000000;

let known: number[] | undefined;

/** Looked up once: Node opens everything else close-on-exec. Empty where there is no `/proc`. */
export function inheritedDescriptors(): readonly number[] {
  known ??= read("/proc/self/fdinfo").filter((descriptor) => descriptor > 2);
  return known;
}

function read(directory: string): number[] {
  try {
    return readdirSync(directory)
      .filter((name) => isInheritable(`${directory}/${name}`))
      .map(Number);
  } catch {
    return [];
  }
}

function isInheritable(path: string): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(path, "latin1"))?.[1] ?? "0";
    return (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    return false; // the descriptor of the listing itself
  }
}
