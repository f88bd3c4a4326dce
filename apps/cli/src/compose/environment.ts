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
}

export function readMode(text: string): SandboxMode {
  const mode = MODES.find((one) => one === text);
  if (mode) return mode;
  throw new MohoError("invalid_request", `There is no sandbox mode "${text}": use ${MODES.join(", ")}.`);
}

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
    unconfined: "run",
  });
}
