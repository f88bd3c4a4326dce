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
  run(context: Context, args: Arguments): Promise<number>;
}

/** Parses `argv` by the command's flags; unknown or incomplete ones are an `invalid_request`. */
export function parseArguments(name: string, flags: readonly Flag[], argv: string[]): Arguments {
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
    const message = error instanceof Error ? error.message.split(". ")[0]! : String(error);
    throw new MohoError("invalid_request", `${message}.`, { next: `See \`moho ${name} --help\`.` });
  }
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
  return `${lines.join("\n")}\n`;
}
