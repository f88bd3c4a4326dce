/** Builds the environment that tools act in: which folders, which secrets out of reach, which mode. */

import { join, resolve } from "node:path";
import { MohoError } from "@moho/protocol";
import { createEnvironment, type Environment, type SandboxMode, type SandboxPolicy } from "@moho/sandbox";
import { type Context, mohoHome } from "../context.ts";

const MODES: readonly SandboxMode[] = ["read-only", "workspace-write", "danger-full-access"];

export interface Workplace {
  cwd: string;
  mode: SandboxMode;
  /** More writable folders. */
  addDirs?: readonly string[];
  network?: boolean;
  /** By default on. */
  tmpWritable?: boolean;
  /** What becomes of commands where no sandbox works; by default they are refused. */
  fallback?: "refuse" | "run";
}

export function readMode(text: string): SandboxMode {
  const mode = MODES.find((one) => one === text);
  if (mode) return mode;
  throw new MohoError("invalid_request", `There is no sandbox mode "${text}": use ${MODES.join(", ")}.`);
}

/** Variables that name files with credentials. */
const CREDENTIAL_FILES = [
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_CONFIG_FILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/** The policy of a workplace: version control, settings and credentials stay out of a command's reach. */
export function policyOf(context: Context, place: Workplace): SandboxPolicy {
  const home = context.userHome;
  const moho = mohoHome(context);
  return {
    mode: place.mode,
    roots: [place.cwd, ...(place.addDirs ?? []).map((dir) => resolve(place.cwd, dir))],
    network: place.network ?? false,
    protectedNames: [".git", ".codex", ".agents", ".aws"],
    unreadable: [
      ...CREDENTIAL_FILES.flatMap((name) => context.env[name] || []),
      join(home, ".aws"),
      join(home, ".ssh"),
      moho,
      join(context.env["CODEX_HOME"] || join(home, ".codex"), "auth.json"),
    ],
    tmpWritable: place.tmpWritable ?? true,
  };
}

export function composeEnvironment(context: Context, place: Workplace): Environment {
  const tmp = ["/tmp", ...(context.env["TMPDIR"] ? [context.env["TMPDIR"]] : [])];
  return createEnvironment({
    policy: policyOf(context, place),
    home: mohoHome(context),
    tmp,
    unconfined: place.fallback ?? "refuse",
  });
}
