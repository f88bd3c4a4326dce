/** What a command sees of the process it runs in; tests pass their own. */

import type { Readable } from "node:stream";

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Context {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The words that start this very program again. */
  readonly self: readonly string[];
  readonly userHome: string;
  /** Opened only by what reads it. */
  stdin(): Readable;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** `$MOHO_HOME`, by default `~/.moho`. */
export function mohoHome(context: Context): string {
  return context.env["MOHO_HOME"] || `${context.userHome}/.moho`;
}
