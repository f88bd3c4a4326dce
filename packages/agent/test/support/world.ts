/** A folder to work in, a real environment, a log, and turns run to their end. */

import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ThreadEvent } from "@moho/protocol";
import { createEnvironment, type Environment, type SandboxPolicy } from "@moho/sandbox";
import { type Log, openFileLog } from "@moho/store";
import { onTestFinished } from "vitest";
import {
  createSessions,
  createThread,
  nodeFiles,
  runTurn,
  type Sessions,
  type Thread,
  type TurnDeps,
  type TurnInput,
  type TurnOptions,
} from "../../src/index.ts";
import type { ScriptedModel } from "./model.ts";

/** Noon, so that the local day is the same in most places. */
export const NOW = Date.UTC(2026, 10, 21, 12);

export interface World {
  /** The working folder; real path. */
  root: string;
  home: string;
  environment: Environment;
  sessions: Sessions;
  log: Log;
  thread(): Promise<Thread>;
  /** One turn, to its end. */
  run(model: ScriptedModel, thread: Thread, input?: TurnInput, more?: More): Promise<ThreadEvent[]>;
  stream(model: ScriptedModel, thread: Thread, input?: TurnInput, more?: More): AsyncIterable<ThreadEvent>;
}

export type More = Partial<TurnOptions> & { deps?: Partial<TurnDeps> };

export function makeWorld(options: { policy?: Partial<SandboxPolicy>; log?: Log } = {}): World {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "moho-agent-")));
  const home = realpathSync(mkdtempSync(join(tmpdir(), "moho-home-")));
  const policy: SandboxPolicy = {
    mode: "danger-full-access",
    roots: [root],
    network: false,
    protectedNames: [".git", ".codex", ".agents", ".aws"],
    unreadable: [],
    tmpWritable: false,
    ...options.policy,
  };
  const environment = createEnvironment({ policy, home });
  const sessions = createSessions();
  const log = options.log ?? openFileLog(join(home, "threads"), { now: () => NOW });
  onTestFinished(async () => {
    await sessions.close();
    await environment.close();
    await log.close();
    rmSync(root, { recursive: true, force: true });
    rmSync(home, { recursive: true, force: true });
  });
  const stream: World["stream"] = (model, thread, input = "Do it.", { deps, ...more } = {}) =>
    runTurn(
      {
        model,
        environment,
        sessions,
        files: nodeFiles,
        commandEnv: { PATH: "/usr/local/bin:/usr/bin:/bin" },
        now: () => NOW,
        ...deps,
      },
      thread,
      input,
      { signal: new AbortController().signal, cwd: root, home, approval: "never", ...more },
    );
  return {
    root,
    home,
    environment,
    sessions,
    log,
    thread: () =>
      createThread(log, {
        cwd: root,
        model: "openai.gpt-6.1-sol",
        provider: "amazon-bedrock",
        now: NOW,
        random: new Uint8Array(10).fill(7),
      }),
    stream,
    run: (model, thread, input, more) => collect(stream(model, thread, input, more)),
  };
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}

/** Every record body of a thread, parsed. */
export async function recordsOf(log: Log, thread: Thread): Promise<Record<string, unknown>[]> {
  return (await collect(log.read(thread.id))).map(({ body }) => JSON.parse(body));
}

/** The JSON text with the working folder's name taken out. */
export function settle<T>(value: T, { root, home }: World): T {
  return JSON.parse(JSON.stringify(value).replaceAll(root, "/repo").replaceAll(home, "/home"));
}
