/** Commands that run: each may outlive the call, and the turn, that started it. */

import { MohoError } from "@moho/protocol";
import type { CommandSpec, Environment } from "@moho/sandbox";
import type { Background, ItemBody } from "./item-feed.ts";
import { HeadTail, textWithin } from "./output.ts";
import { bytesOfTokens, tokensOfBytes } from "./request/tokens.ts";

/** Most tokens of one output that a model may be given. */
export const MAX_OUTPUT_TOKENS = 10_000;
/** Bytes of a command's output in its event. */
const EVENT_BYTES = 32 * 1024;
const MAX_SESSIONS = 32;
const KILL_MS = 5000;

export interface Session extends Background {
  readonly id: number;
  readonly command: string;
  /** Its input is open. */
  readonly interactive: boolean;
  /** How it ended; `undefined` while it runs. */
  readonly end: { code: number | null; signal: string | null; error?: string } | undefined;
  /** The output since the last call of this, within a budget. */
  take(maxTokens: number): { text: string; tokens: number };
  write(chars: string): void;
}

export interface Sessions {
  /** Rejects with the environment's error, or `conflict` when too many run. */
  start(environment: Environment, spec: CommandSpec, command: string): Promise<Session>;
  /** `undefined` for an unknown one and one whose end was reported. */
  get(id: number): Session | undefined;
  /** Its end was reported: it needs no place any more. */
  forget(session: Session): void;
  /** Kills all and waits for their ends. */
  close(): Promise<void>;
}

export function createSessions(): Sessions {
  const sessions = new Map<number, Session>();
  let lastId = 0;
  return {
    async start(environment, spec, command) {
      makeRoom(sessions);
      const session = await startSession(++lastId, environment, spec, command);
      sessions.set(session.id, session);
      return session;
    },
    get: (id) => sessions.get(id),
    forget: (session) => void sessions.delete(session.id),
    async close() {
      await killAll([...sessions.values()]);
      sessions.clear();
    },
  };
}

/** Waits until the session ends or `ms` passed. An aborted signal kills it. */
export async function waitForEnd(session: Session, ms: number, signal: AbortSignal): Promise<void> {
  await endOr(session.exited, ms, signal);
  if (signal.aborted) await killAll([session]);
}

/** Kills and waits for the ends, but not for ever: a process may hang in the kernel. */
export async function killAll(sessions: readonly Background[]): Promise<void> {
  for (const session of sessions) session.kill();
  await endOr(Promise.all(sessions.map((session) => session.exited)), KILL_MS);
}

async function endOr(end: Promise<unknown>, ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const done = () => resolve(undefined);
  const timer = setTimeout(done, ms);
  signal?.addEventListener("abort", done, { once: true });
  if (signal?.aborted) done();
  void end.then(done);
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener("abort", done);
}

function makeRoom(sessions: Map<number, Session>): void {
  if (sessions.size < MAX_SESSIONS) return;
  const ended = [...sessions.values()].find((session) => session.end);
  if (!ended)
    throw new MohoError(
      "conflict",
      `${MAX_SESSIONS} commands are running already: end one with write_stdin.`,
    );
  sessions.delete(ended.id);
}

async function startSession(
  id: number,
  environment: Environment,
  spec: CommandSpec,
  command: string,
): Promise<Session> {
  const running = await environment.start(spec);
  const all = new HeadTail(EVENT_BYTES / 2, EVENT_BYTES / 2);
  const newOutput = () => new HeadTail(bytesOfTokens(MAX_OUTPUT_TOKENS), bytesOfTokens(MAX_OUTPUT_TOKENS));
  let unread = newOutput();
  let end: Session["end"];
  running.onOutput((chunk) => {
    all.push(chunk);
    unread.push(chunk);
  });
  const exited = running.exited.then((how) => {
    end = how;
  });
  return {
    id,
    command,
    interactive: spec.tty === true,
    exited,
    get end() {
      return end;
    },
    item: (): ItemBody => ({
      type: "command_execution",
      command,
      aggregated_output: textWithin(all.snapshot(), EVENT_BYTES),
      exit_code: end?.code ?? null,
      status: end === undefined ? "in_progress" : end.code === 0 ? "completed" : "failed",
    }),
    take(maxTokens) {
      const captured = unread.snapshot();
      const text = textWithin(captured, bytesOfTokens(maxTokens));
      unread = newOutput();
      return { text, tokens: tokensOfBytes(captured.bytes) };
    },
    write: (chars) => running.write(chars),
    kill: () => running.kill(),
  };
}
