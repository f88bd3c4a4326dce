/** `moho`: finds the command, parses its arguments, runs it, turns what it throws into one clear error. */

import { MohoError, toMohoError } from "@moho/protocol";
import { helpPage, parseArguments } from "./command.ts";
import { COMMANDS } from "./commands/table.ts";
import type { Context } from "./context.ts";
import { EXIT, exitCodeOf } from "./exit.ts";

/** Runs one command line; resolves to the exit code and never rejects. */
export async function main(argv: string[], context: Context): Promise<number> {
  try {
    const [name = "--help", ...rest] = argv;
    if (name === "--help" || name === "-h" || name === "help") {
      context.stdout.write(overview());
      return EXIT.ok;
    }
    const row = COMMANDS.find((command) => command.name === name);
    if (!row) {
      context.stderr.write(`moho: there is no command "${name}".\n\n${overview()}`);
      return EXIT.usage;
    }
    const command = await row.load();
    const end = rest.indexOf("--");
    const own = end < 0 ? rest : rest.slice(0, end);
    if (own.includes("--help") || own.includes("-h")) {
      context.stdout.write(helpPage(name, command));
      return EXIT.ok;
    }
    const args = parseArguments(name, command.flags, rest);
    if (args instanceof MohoError) return command.refuse?.(context, own, args) ?? tell(context, args);
    return await command.run(context, args);
  } catch (thrown) {
    return tell(context, toMohoError(thrown));
  }
}

function tell(context: Context, error: MohoError): number {
  context.stderr.write(`error: ${error.message}\n  code: ${error.code}\n  next: ${error.next}\n`);
  if (error.requestId) context.stderr.write(`  request: ${error.requestId}\n`);
  if (error.code === "internal" && error.cause instanceof Error && context.env["MOHO_DEBUG"])
    context.stderr.write(`${error.cause.stack}\n`);
  return exitCodeOf(error.category, error.code);
}

function overview(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length));
  const rows = COMMANDS.map((command) => `  ${command.name.padEnd(width)}  ${command.about}`);
  return `Moho: coding agents on Amazon Bedrock, governed.\n\nUsage:\n  moho COMMAND [FLAGS]\n\nCommands:\n${rows.join("\n")}\n\n\`moho COMMAND --help\` explains one; \`moho --version\` says which this is.\n`;
}
