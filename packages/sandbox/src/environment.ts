/** The local environment: picks the strongest layer that works, starts commands in it and decides about paths. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { MohoError } from "@moho/protocol";
import { bubblewrap } from "./layers/bubblewrap.ts";
import type { Layer } from "./layers/layer.ts";
import { none } from "./layers/none.ts";
import { decideRead, decideWrite } from "./path-decisions.ts";
import { openInput, openOutput, pipePool } from "./pipes.ts";
import type { CommandSpec, Environment, RunningProcess, SandboxPolicy, SandboxReport } from "./ports.ts";
import { directoryProblem, programProblem } from "./programs.ts";
import { notStarted, run } from "./run.ts";
import { NO_TERMINAL, onTerminal } from "./terminal.ts";
import { pinned } from "./territory.ts";

export interface EnvironmentOptions {
  policy: SandboxPolicy;
  /** Moho's home. Its folder `sandbox` holds pipes and files for the moment before they lose their names. */
  home: string;
  /** Temporary directories, for `policy.tmpWritable`: `/tmp` and `$TMPDIR`. */
  tmp?: readonly string[];
  /** What becomes of commands where no layer works; built-in tools read and write within the policy either way. */
  unconfined?: "refuse" | "run";
  /** The `bwrap` program, where it is not the system's. */
  bubblewrap?: string;
}

/** Nothing is opened or tried before the first use. */
export function createEnvironment(options: EnvironmentOptions): Environment {
  const { unconfined = "refuse" } = options;
  const tmp = pinned(options.tmp ?? ["/tmp"]);
  const scratch = join(options.home, "sandbox");
  const policy = {
    ...options.policy,
    roots: pinned(options.policy.roots),
    unreadable: [...options.policy.unreadable, scratch],
  };
  const strongest = bubblewrap({ scratch, tmp, program: options.bubblewrap });
  const open = none();
  const running = new Set<RunningProcess>();
  const outputs = pipePool(scratch, openOutput);
  const inputs = pipePool(scratch, openInput);

  const obstacle = async (): Promise<string | undefined> => {
    mkdirSync(scratch, { recursive: true, mode: 0o700 });
    return strongest.obstacle();
  };
  const layerFor = async (command: CommandSpec): Promise<Layer> => {
    if (command.unsandboxed || policy.mode === "danger-full-access") return open;
    const reason = await obstacle();
    if (reason === undefined) return strongest;
    if (unconfined === "run") return open;
    throw new MohoError("sandbox_unavailable", `Commands cannot be confined: ${reason}.`);
  };

  return {
    policy: options.policy,
    async report() {
      if (policy.mode === "danger-full-access")
        return reportOf(open, policy, ["danger-full-access asks for none"]);
      const reason = await obstacle();
      return reason === undefined
        ? reportOf(strongest, policy, [])
        : reportOf(open, policy, [reason, CONSEQUENCE[unconfined]]);
    },
    async start(command) {
      const [program = ""] = command.argv;
      const problem =
        directoryProblem(command.cwd) ?? programProblem(program, command.env["PATH"], command.cwd);
      if (problem !== undefined) return notStarted(problem);
      const terminal = command.tty ? onTerminal(command.argv, command.env) : command;
      if (terminal === undefined) return notStarted(NO_TERMINAL);
      const layer = await layerFor(command);
      mkdirSync(scratch, { recursive: true, mode: 0o700 });
      const listens = command.tty || command.input !== "empty";
      const pipes = { output: await outputs.take(), input: listens ? await inputs.take() : undefined };
      const started = run(
        () => layer.launch(terminal.argv, { ...command, env: terminal.env }, policy),
        pipes,
      );
      running.add(started);
      started.exited.finally(() => running.delete(started));
      return started;
    },
    canRead: async (path) => decideRead(policy, tmp, path),
    canWrite: async (path) => decideWrite(policy, tmp, path),
    async close() {
      const ends = [...running].map(({ exited }) => exited);
      for (const one of running) one.kill();
      await Promise.all(ends);
      await strongest.close();
      outputs.close();
      inputs.close();
    },
  };
}

const CONSEQUENCE = {
  run: "commands run unconfined; reads and edits of built-in tools are still held to the policy",
  refuse: "commands are refused; reads and edits of built-in tools work within the policy",
};

function reportOf(layer: Layer, policy: SandboxPolicy, notes: string[]): SandboxReport {
  return { layer: layer.name, enforced: layer.enforced(policy), notes };
}
