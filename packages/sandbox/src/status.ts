/** What `moho sandbox status` shows. */

import type { Environment, SandboxMode, SandboxReport } from "./ports.ts";

export interface SandboxStatus extends SandboxReport {
  mode: SandboxMode;
  roots: readonly string[];
  protectedNames: readonly string[];
  unreadable: readonly string[];
  /** The policy lets commands use the network. */
  network: boolean;
  /** Ways round the sandbox that remain in this set-up, each in one sentence. */
  limits: string[];
}

/** The policy and what is really enforced of it. Tries the layers if nothing has yet. */
export async function sandboxStatus(environment: Environment): Promise<SandboxStatus> {
  const { mode, roots, protectedNames, unreadable, network } = environment.policy;
  const report = await environment.report();
  const limits = report.layer === "bubblewrap" ? bubblewrapLimits(network) : [];
  return { mode, roots, protectedNames, unreadable, network, ...report, limits };
}

function bubblewrapLimits(network: boolean): string[] {
  const late = "A host socket with a path that is made while a command runs can be reached by that command.";
  const abstract =
    "With the network on, commands also reach abstract sockets of the host, such as an X server's.";
  return network ? [late, abstract] : [late];
}
