/** The shape of a command: data that yields its parser, its help page and its documentation. */

import { parseArgs } from "node:util";
import { MohoError } from "@moho/protocol";
import type { Context } from "./context.ts";

export interface Flag {
  name: string;
  short?: string;
  /** Placeholder of the value; a flag without one is a switch. */
  value?: string;
  multiple?: boolean;
  about: string;
}

export interface Arguments {
  /** The last value of a flag. */
  value(name: string): string | undefined;
  /** Every value of a repeatable flag. */
  values(name: string): string[];
  on(name: string): boolean;
  positionals: string[];
}

export interface Command {
  /** After the command's name, for example `[PROMPT | -]`. */
  usage: string[];
  about: string;
  flags: Flag[];
  /** Paragraphs below the flags. */
  notes?: string[];
  run(context: Context, args: Arguments): Promise<number>;
  /**
   * Tells a usage error, found before `run`, in the form that the words ask for, and gives the exit code; `undefined`
   * leaves it to the one form that all commands share.
   */
  refuse?(context: Context, words: readonly string[], error: MohoError): number | undefined;
}

/** Parses `argv` by the command's flags; for unknown or incomplete ones the `invalid_request` to tell. */
export function parseArguments(name: string, flags: readonly Flag[], argv: string[]): Arguments | MohoError {
  const options: Record<string, { type: "string" | "boolean"; short?: string; multiple: boolean }> = {};
  for (const flag of flags)
    options[flag.name] = {
      type: flag.value ? "string" : "boolean",
      ...(flag.short ? { short: flag.short } : {}),
      multiple: flag.value !== undefined,
    };
  try {
    const parsed = parseArgs({ args: argv, options, allowPositionals: true, strict: true });
    const values = parsed.values as Record<string, string[] | boolean | undefined>;
    const all = (flag: string) => (Array.isArray(values[flag]) ? (values[flag] as string[]) : []);
    return {
      value: (flag) => all(flag).at(-1),
      values: all,
      on: (flag) => values[flag] === true,
      positionals: parsed.positionals,
    };
  } catch (error) {
    return new MohoError("invalid_request", usageMessage(error), { next: `See \`moho ${name} --help\`.` });
  }
}

/** Node's first sentence; of a value that looks like a flag, how it is written. */
function usageMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const flag = /^Option '(?:-\w, )?(--[\w-]+).*' argument is ambiguous/.exec(message)?.[1];
  if (flag) return `${flag} needs a value; one that begins with a dash is written ${flag}=-X.`;
  return `${message.split(/\. |\n/)[0]!}.`;
}

/** The help page of one command. */
export function helpPage(name: string, command: Command): string {
  const lines = [command.about, "", "Usage:"];
  for (const usage of command.usage) lines.push(`  moho ${name} ${usage}`.trimEnd());
  if (command.flags.length > 0) lines.push("", "Flags:");
  const heads = command.flags.map(
    (flag) =>
      `${flag.short ? `-${flag.short}, ` : "    "}--${flag.name}${flag.value ? ` ${flag.value}` : ""}`,
  );
  const width = Math.max(0, ...heads.map((head) => head.length));
  command.flags.forEach((flag, i) => {
    lines.push(`  ${heads[i]!.padEnd(width)}  ${flag.about}`);
  });
  for (const note of command.notes ?? []) lines.push("", note);
  return `${lines.join("\n")}\n`;
}
