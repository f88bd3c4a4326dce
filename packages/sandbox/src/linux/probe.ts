/** Does bubblewrap work here? Tried for real: version numbers and settings do not tell what a container forbids. */

import { spawn } from "node:child_process";
import { closeSync } from "node:fs";

/** What a message of bwrap usually means; the first that matches is shown. */
const MEANINGS: readonly (readonly [pattern: RegExp, meaning: string])[] = [
  [
    /uid map|setting up uid|loopback|RTM_NEW/i,
    "user namespaces are restricted (on Ubuntu 24.04 and later by AppArmor: install a profile for bwrap)",
  ],
  [
    /new namespace|user namespaces|unshare|No permissions/i,
    "this kernel or container does not allow user namespaces",
  ],
  [/mount proc/i, "this container forbids a private /proc"],
  [/seccomp/i, "this kernel has no seccomp filters"],
  [/unknown option/i, "this bubblewrap is older than 0.5"],
];

/** Runs `args` under `program` with `descriptors` as 3, 4, … (closed here); the obstacle in one sentence, or `undefined` when everything worked. */
export async function findObstacle(
  program: string,
  args: readonly string[],
  descriptors: readonly number[],
): Promise<string | undefined> {
  const child = spawn(program, args, {
    cwd: "/",
    env: {},
    stdio: ["ignore", "ignore", "pipe", ...descriptors],
  });
  descriptors.forEach(closeSync);
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk.toString("utf8");
  });
  const outcome = await new Promise<string | number | null>((done) => {
    child.once("error", (error) => done(error.message));
    child.once("close", done);
  });
  if (outcome === 0) return undefined;
  if (typeof outcome === "string") return `bubblewrap could not be started: ${outcome}`;
  const line = errors.trim().split("\n")[0] || `it ended with ${outcome}`;
  const meaning = MEANINGS.find(([pattern]) => pattern.test(line))?.[1];
  return `bubblewrap does not work here: ${line}${meaning === undefined ? "" : ` (${meaning})`}`;
}
