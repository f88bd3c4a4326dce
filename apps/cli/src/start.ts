/** The process edge: the only file that touches the real process, its streams and its signals. */

import { homedir } from "node:os";
import { main } from "./main.ts";

/** Runs one command line and sets the exit code. A second interrupt ends the process at once. */
export async function start(): Promise<void> {
  quietSqliteWarning();
  const controller = new AbortController();
  let interrupts = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      interrupts += 1;
      if (interrupts > 1) process.exit(130);
      controller.abort(signal);
    });
  // A reader that went away (`moho … | head`) is no error of ours.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
  });
  process.exitCode = await main(process.argv.slice(2), {
    env: process.env,
    cwd: process.cwd(),
    self: [process.execPath, process.argv[1] ?? ""],
    userHome: homedir(),
    stdin: () => process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: controller.signal,
  });
}

/** `node:sqlite` is a release candidate and says so on every start; users cannot act on it. */
function quietSqliteWarning(): void {
  const emit = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (String(warning).includes("SQLite is an experimental feature")) return;
    (emit as (...all: unknown[]) => void).call(process, warning, ...rest);
  }) as typeof process.emitWarning;
}
