/**
 * The variables of the user's login shell, for commands of a Moho that was not started from one (an IDE, a service).
 * Asked once: a login shell takes 200 ms and more, so commands run under plain `bash -c` with what was learned.
 */

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";

/** Start-up files may wait for a terminal or a network that is not there. */
const PATIENCE_MS = 5_000;

/** Asks on the first call and answers the same ever after; `parent` where the shell gives no answer. */
export function loginEnvironment(
  shell: string,
  parent: Readonly<Record<string, string>>,
): () => Promise<Readonly<Record<string, string>>> {
  let answer: Promise<Readonly<Record<string, string>>> | undefined;
  return () => {
    answer ??= ask(shell, parent).then((found) => found ?? parent);
    return answer;
  };
}

/** Start-up files print what they like: only what follows the mark counts. */
async function ask(shell: string, env: Readonly<Record<string, string>>) {
  const mark = `moho-${randomUUID()}`;
  const child = spawn(shell, ["-l", "-c", `printf '%s\\0' ${mark}; exec env -0`], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
    timeout: PATIENCE_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
  });
  await new Promise<void>((done) => {
    child.once("error", () => done());
    child.once("close", () => done());
  });
  const start = output.indexOf(`${mark}\0`);
  return start === -1 ? undefined : variables(output.slice(start + mark.length + 1));
}

function variables(text: string): Record<string, string> | undefined {
  const found: Record<string, string> = {};
  for (const line of text.split("\0")) {
    const at = line.indexOf("=");
    if (at > 0) found[line.slice(0, at)] = line.slice(at + 1);
  }
  return found["PATH"] === undefined ? undefined : found;
}
