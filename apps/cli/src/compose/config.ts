/** Loads the configuration of one run, and the environment variables that its `.env` adds. */

import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { type Config, loadConfig, readDotEnv } from "@moho/config";
import { MohoError } from "@moho/protocol";
import type { Arguments } from "../command.ts";
import { type Context, mohoHome } from "../context.ts";

export interface LoadedConfig {
  config: Config;
  /** The context with what `.env` adds; the real environment wins. */
  context: Context;
  /** The working folder, symlinks resolved. */
  cwd: string;
}

/** Reads `-C`, `-c`, `--profile` and `--strict-config` off the arguments. */
export async function composeConfig(context: Context, args: Arguments): Promise<LoadedConfig> {
  const home = resolve(context.cwd, mohoHome(context));
  const codexHome = resolve(context.cwd, context.env["CODEX_HOME"] || `${context.userHome}/.codex`);
  const cwd = existing(resolve(context.cwd, args.value("cd") ?? "."));
  const profile = args.value("profile");
  const config = await loadConfig({
    home,
    codexHome,
    cwd,
    flags: args.values("config"),
    strict: args.on("strict-config"),
    ...(profile !== undefined && { profile }),
  });
  const added = await readDotEnv({ home, codexHome }, context.env);
  return { config, cwd, context: { ...context, env: { ...context.env, ...added } } };
}

function existing(folder: string): string {
  try {
    return realpathSync(folder);
  } catch (cause) {
    throw new MohoError("invalid_request", `There is no folder ${folder}.`, { cause });
  }
}
