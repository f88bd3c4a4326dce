/** `$MOHO_HOME/.env`: variables for those that the real environment does not set. */

import { join } from "node:path";
import { readConfigFile } from "./disk.ts";

/**
 * The variables to add; the real environment always wins. Names of Moho and Codex themselves are left out, so that
 * a file cannot move the homes it is read from. Codex's file is read where there is none of ours.
 */
export async function readDotEnv(
  { home, codexHome }: { home: string; codexHome: string },
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string | undefined = readConfigFile,
): Promise<Record<string, string>> {
  const text = readFile(join(home, ".env")) ?? readFile(join(codexHome, ".env"));
  if (text === undefined) return {};
  // Costs 2 ms, which only those with such a file pay.
  const { parseEnv } = await import("node:util");
  const added = Object.entries(parseEnv(text)).filter(
    ([name, value]) => value !== undefined && env[name] === undefined && !/^(?:MOHO|CODEX)_/i.test(name),
  );
  return Object.fromEntries(added) as Record<string, string>;
}
