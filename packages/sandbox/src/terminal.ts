/** A pseudo-terminal for a command, without native code: `script` of util-linux makes one. */

import { findProgram } from "./programs.ts";

const SIZE = "stty rows 24 cols 80 2>/dev/null";

export const NO_TERMINAL =
  "a terminal needs the program `script`: `apt-get install -y bsdutils` (other systems: util-linux)";

/** The argv that runs `argv` on a terminal of its own; `undefined` when `script` is missing. `env` is the command's. */
export function onTerminal(argv: readonly string[], env: Readonly<Record<string, string>>) {
  const script = findProgram("script");
  if (script === undefined) return undefined;
  // `script` runs its command with $SHELL, which may be anything: it gets sh, and the command its own value back.
  const shell = env["SHELL"] === undefined ? "unset SHELL" : `export SHELL=${quote(env["SHELL"])}`;
  const line = `${SIZE}; ${shell}; exec ${argv.map(quote).join(" ")}`;
  return { argv: [script, "-qefc", line, "/dev/null"], env: { ...env, SHELL: "/bin/sh" } };
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
