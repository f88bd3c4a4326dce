/** `exec_command`: runs a bash command in the environment. */

import { resolve } from "node:path";
import type { OpenItem } from "../../item-feed.ts";
import { isPatchCommand } from "../../patch/index.ts";
import { waitForEnd } from "../../sessions.ts";
import { patchAction } from "../apply-patch/index.ts";
import { objectSchema, readArguments } from "../arguments.ts";
import type { Outcome, Tool, ToolContext } from "../tool.ts";
import { onlyReads } from "./reads.ts";
import { report } from "./report.ts";

interface Arguments {
  cmd: string;
  workdir?: string;
  tty?: boolean;
  yield_time_ms?: number;
  max_output_tokens?: number;
  sandbox_permissions?: "use_default" | "require_escalated";
  justification?: string;
}

const SCHEMA = objectSchema(
  {
    cmd: { type: "string", description: "Bash command." },
    workdir: { type: "string", description: "Default: cwd." },
    tty: { type: "boolean", description: "Give it a terminal and keep its input open." },
    yield_time_ms: {
      type: "number",
      description: "Wait this long for its end before it becomes a session; default 10000, most 300000.",
    },
    max_output_tokens: { type: "number", description: "Default and most: 10000." },
    sandbox_permissions: {
      type: "string",
      enum: ["use_default", "require_escalated"],
      description: "require_escalated asks the user to run it outside the sandbox.",
    },
    justification: { type: "string", description: "The question to the user, with require_escalated." },
  },
  ["cmd"],
);

export const WAIT_MS = { least: 250, exec: 10_000, write: 250, poll: 30_000, most: 300_000 };

export const tool: Tool = {
  name: "exec_command",
  spec: () => ({
    type: "function",
    name: "exec_command",
    description: "Runs a command. Returns its output, or a session ID when it still runs.",
    strict: false,
    parameters: { ...SCHEMA },
  }),
  prepare({ text }, { cwd, environment }) {
    const args = readArguments<Arguments>(text, SCHEMA);
    const workdir = resolve(cwd, args.workdir ?? "");
    if (isPatchCommand(args.cmd)) return patchAction(args.cmd, workdir);
    return {
      wants: { writes: false, escalates: args.sandbox_permissions === "require_escalated" },
      ...(args.justification !== undefined && { justification: args.justification }),
      reads: environment.policy.mode === "read-only" || onlyReads(args.cmd),
      item: {
        type: "command_execution",
        command: args.cmd,
        aggregated_output: "",
        exit_code: null,
        status: "in_progress",
      },
      run: (context, item) => runCommand(args, workdir, context, item),
    };
  },
};

async function runCommand(
  args: Arguments,
  workdir: string,
  context: ToolContext,
  item: OpenItem,
): Promise<Outcome> {
  const { environment, sessions, commandEnv, signal } = context;
  const began = context.now();
  const spec = {
    argv: ["bash", "-c", args.cmd],
    cwd: workdir,
    env: commandEnv,
    ...(args.tty ? { tty: true } : { input: "empty" as const }),
    ...(args.sandbox_permissions === "require_escalated" && { unsandboxed: true }),
  };
  const session = await sessions.start(environment, spec, args.cmd);
  context.follow(item, session);
  await waitForEnd(session, waitMs(args.yield_time_ms, WAIT_MS.exec), signal);
  if (session.end) sessions.forget(session);
  return {
    output: report(session, context.now() - began, args.max_output_tokens),
    item: session.item(),
    open: !session.end,
  };
}

/** The wait that was asked for, within what is allowed. */
export function waitMs(asked: number | undefined, byDefault: number): number {
  return Math.min(Math.max(asked ?? byDefault, WAIT_MS.least), WAIT_MS.most);
}
