/** `write_stdin`: types into a running command, or waits for it. */

import { MohoError } from "@moho/protocol";
import { type Session, waitForEnd } from "../../sessions.ts";
import { objectSchema, readArguments } from "../arguments.ts";
import { WAIT_MS, waitMs } from "../exec-command/index.ts";
import { report } from "../exec-command/report.ts";
import type { Outcome, Tool, ToolContext } from "../tool.ts";

interface Arguments {
  session_id: number;
  chars?: string;
  yield_time_ms?: number;
  max_output_tokens?: number;
}

const SCHEMA = objectSchema(
  {
    session_id: { type: "number" },
    chars: {
      type: "string",
      description: "Needs tty; \\u0003 stops any command. Empty: only wait for its end.",
    },
    yield_time_ms: { type: "number", description: "Default 250, without chars 30000; most 300000." },
    max_output_tokens: { type: "number" },
  },
  ["session_id"],
);

const INTERRUPT = "\u0003";

export const tool: Tool = {
  name: "write_stdin",
  spec: () => ({
    type: "function",
    name: "write_stdin",
    description: "Writes to a session of exec_command and returns its new output.",
    strict: false,
    parameters: { ...SCHEMA },
  }),
  prepare({ text }, { sessions }) {
    const args = readArguments<Arguments>(text, SCHEMA);
    const session = sessions.get(args.session_id);
    if (!session)
      throw new MohoError("not_found", `There is no session ${args.session_id}, or its end was reported.`, {
        next: "Start the command again with exec_command.",
      });
    return {
      wants: { writes: false, escalates: false },
      reads: false,
      item: session.item(),
      session,
      run: (context) => writeAndWait(session, args, context),
    };
  },
};

async function writeAndWait(session: Session, args: Arguments, context: ToolContext): Promise<Outcome> {
  const began = context.now();
  const chars = args.chars ?? "";
  if (chars !== "" && !session.end) write(session, chars);
  await waitForEnd(session, waitMs(args.yield_time_ms, chars ? WAIT_MS.write : WAIT_MS.poll), context.signal);
  if (session.end) context.sessions.forget(session);
  return {
    output: report(session, context.now() - began, args.max_output_tokens),
    item: session.item(),
    open: !session.end,
  };
}

function write(session: Session, chars: string): void {
  if (session.interactive) session.write(chars);
  else if (chars === INTERRUPT) session.kill();
  else
    throw new MohoError("invalid_request", `The input of session ${session.id} is closed.`, {
      next: 'Start the command again with "tty": true to write to it.',
    });
}
