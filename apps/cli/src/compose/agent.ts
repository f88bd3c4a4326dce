/** Builds what a turn needs: model, environment, thread store, limits on what commands may see. */

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { createSessions, nodeFiles, type RequestSettings, type Sessions, type TurnDeps } from "@moho/agent";
import type { Config } from "@moho/config";
import { MohoError } from "@moho/protocol";
import { commandEnvironment, type Environment, type SandboxMode } from "@moho/sandbox";
import { type Log, openFileLog } from "@moho/store";
import type { Arguments } from "../command.ts";
import { type Context, mohoHome } from "../context.ts";
import { composeEnvironment, readMode } from "./environment.ts";
import { type ComposedModel, chooseProvider, composeModel } from "./provider.ts";

export interface ComposedAgent {
  deps: TurnDeps;
  model: ComposedModel;
  environment: Environment;
  sessions: Sessions;
  settings: RequestSettings;
  /** What becomes of commands where no sandbox works. */
  fallback: "refuse" | "run";
  close(): Promise<void>;
}

/** The log of threads: `$MOHO_HOME/threads`. A torn last record is dropped, and the user is told. */
export function openThreads(context: Context): Log {
  return openFileLog(join(mohoHome(context), "threads"), {
    onTorn: ({ stream, seq }) =>
      context.stderr.write(`thread ${stream}: record ${seq} was not completely written and was dropped\n`),
  });
}

export async function composeAgent(
  context: Context,
  config: Config,
  args: Arguments,
  place: { cwd: string; threadId: string },
): Promise<ComposedAgent> {
  const headers = { "session-id": place.threadId, "thread-id": place.threadId };
  const model = await composeModel(context, config, chooseProvider(config), args.value("model"), headers);
  const write = config.settings.sandbox_workspace_write;
  const environment = composeEnvironment(context, {
    cwd: place.cwd,
    mode: sandboxMode(config, args, place.cwd),
    addDirs: [...existingDirs(place.cwd, args.values("add-dir")), ...(write?.writable_roots ?? [])],
    network: write?.network_access ?? false,
    tmpWritable: !(write?.exclude_slash_tmp ?? false),
    fallback: config.settings.moho?.sandbox_fallback ?? "refuse",
  });
  const sessions = createSessions();
  return {
    model,
    environment,
    sessions,
    settings: requestSettings(config),
    fallback: config.settings.moho?.sandbox_fallback ?? "refuse",
    deps: {
      model: model.client,
      environment,
      sessions,
      files: nodeFiles,
      commandEnv: commandVariables(context, config, place.threadId, environment),
      now: Date.now,
    },
    async close() {
      await sessions.close();
      await environment.close();
      model.close();
    },
  };
}

const SECRETS = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"];

/** Throws `invalid_request` for a folder that is not there: a command could make its name lead anywhere. */
function existingDirs(cwd: string, dirs: readonly string[]): readonly string[] {
  const absent = dirs.find((dir) => !existsSync(resolve(cwd, dir)));
  if (absent === undefined) return dirs;
  throw new MohoError("invalid_request", `--add-dir: there is no folder ${absent}.`, {
    next: "Make it first.",
  });
}

/** What commands see: never a provider's credential, under whatever name it stands. */
function commandVariables(
  context: Context,
  config: Config,
  threadId: string,
  { policy: { network } }: Environment,
): Record<string, string> {
  const policy = config.settings.shell_environment_policy;
  const providers = Object.values(config.settings.model_providers ?? {});
  const named = providers.flatMap(({ env_key, env_http_headers }) => [
    ...(env_key ? [env_key] : []),
    ...Object.values(env_http_headers ?? {}),
  ]);
  const secrets = [...SECRETS, ...named].flatMap((name) => context.env[name] ?? []);
  return commandEnvironment(
    context.env,
    {
      ...(policy?.inherit && { inherit: policy.inherit }),
      ...(policy?.ignore_default_excludes !== undefined && {
        ignoreDefaultExcludes: policy.ignore_default_excludes,
      }),
      exclude: [...(policy?.exclude ?? []), ...named],
      ...(policy?.set && { set: policy.set }),
      ...(policy?.include_only && { includeOnly: policy.include_only }),
    },
    { threadId, networkDisabled: !network },
    secrets,
  );
}

/** `-s`, then the setting; else a repository may be written and any other folder only read. */
function sandboxMode(config: Config, args: Arguments, cwd: string): SandboxMode {
  const asked = args.value("sandbox") ?? config.settings.sandbox_mode;
  if (asked !== undefined) return readMode(asked);
  return isInRepository(cwd) ? "workspace-write" : "read-only";
}

export function isInRepository(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return true;
    if (dirname(at) === at) return false;
  }
}

/** Throws `invalid_request` outside of any repository unless the user said that this is meant. */
export function checkRepository(cwd: string, args: Arguments): void {
  if (args.on("skip-git-repo-check") || isInRepository(cwd)) return;
  throw new MohoError("invalid_request", `${cwd} is not inside a Git repository.`, {
    next: "Run `git init`, choose another folder with -C, or pass --skip-git-repo-check.",
  });
}

function requestSettings(config: Config): RequestSettings {
  const { model_reasoning_effort: effort, model_reasoning_summary: summary } = config.settings;
  const { model_verbosity: verbosity, service_tier: tier } = config.settings;
  return {
    ...(effort !== undefined && { effort }),
    ...(summary !== undefined && { reasoningSummary: summary }),
    ...(verbosity !== undefined && { verbosity }),
    ...(tier !== undefined && { serviceTier: tier }),
  };
}
