/** What every member of the family `layers/<name>.ts` offers: one way of confining commands. */

import type { ChildProcess } from "node:child_process";
import type { CommandSpec, SandboxPolicy, SandboxReport } from "../ports.ts";

/** A process about to be started. */
export interface Launch {
  file: string;
  args: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** Descriptors the child gets as 3, 4, … */
  descriptors: readonly number[];
  /** Kills everything the command started. Called only while `child` runs. */
  kill(child: ChildProcess): void;
  /** How output starts that says why the command was not reached. */
  complaint: string | undefined;
  /** At the end: was the command itself never reached? */
  unreached(): boolean;
  /** Called exactly once, when the child has ended or could not be started. */
  ended(): void;
}

export interface Layer {
  readonly name: SandboxReport["layer"];
  /** Why it does not work on this machine; `undefined` when it does. Tried once. */
  obstacle(): Promise<string | undefined>;
  enforced(policy: SandboxPolicy): SandboxReport["enforced"];
  /** Throws `sandbox_unavailable` when the policy cannot be enforced on what is on the disk now. */
  launch(argv: readonly string[], command: CommandSpec, policy: SandboxPolicy): Launch;
  /** Every command must have ended; resolves when nothing of them is left on the disk. */
  close(): Promise<void>;
}
