/** Runs one command: merged output as it comes, input, kill, and exactly one end. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { inheritedDescriptors } from "./descriptors.ts";
import type { Launch } from "./layers/layer.ts";
import { createOutput } from "./output.ts";
import type { Pipe } from "./pipes.ts";
import type { RunningProcess } from "./ports.ts";

type End = Awaited<RunningProcess["exited"]>;

/** No more than a pipe can hold is read after the end: what came before it, not what a survivor still writes. */
const MOST_LEFT = 1 << 20;

/** A sandbox fails to start when a path it was to cover goes at that very moment: the next look is a new one. */
const STARTS = 3;

export interface RunPipes {
  output: Pipe;
  /** `undefined`: the command's input is empty. */
  input: Pipe | undefined;
}

interface Started {
  launch: Launch;
  /** An error where Node throws at once, as for arguments that are too long. */
  child: ChildProcess | Error;
}

/** Takes the pipes over. What `prepare` throws at first is thrown, and leaves nothing open. */
export function run(prepare: () => Launch, pipes: RunPipes): RunningProcess {
  const reader = new Socket({ fd: pipes.output.read, readable: true, writable: false });
  const writer = pipes.input && new Socket({ fd: pipes.input.write, readable: false, writable: true });
  reader.on("error", () => {});
  writer?.on("error", () => {}); // the command does not read its input: not our failure
  const close = (): void => {
    reader.destroy();
    writer?.destroy();
    for (const end of [pipes.output.write, pipes.input?.read]) if (end !== undefined) closeSync(end);
  };
  let current = startOr(close, prepare, pipes);
  let running = true;
  const output = createOutput(current.launch.complaint);

  const follow = async (starts: number): Promise<End> => {
    const { launch, child } = current;
    const end = await endOf(child);
    const early: Buffer | null = reader.read(); // pushes itself, if somebody listens
    if (early !== null && reader.listenerCount("data") === 0) output.push(early);
    drain(pipes.output.read, output.push);
    const unreached = end.code !== null && launch.unreached();
    launch.ended();
    if (!unreached) return end;
    const error = `The sandbox could not be set up: ${output.discard()}`;
    if (starts === 1) return { code: null, signal: null, error };
    current = start(prepare(), pipes);
    return follow(starts - 1);
  };
  const exited = follow(STARTS)
    .catch((error: Error): End => ({ code: null, signal: null, error: error.message }))
    .finally(() => {
      running = false;
      output.release();
      close();
    });

  return {
    get pid() {
      return current.child instanceof Error ? undefined : current.child.pid;
    },
    onOutput(listener) {
      output.listen(listener);
      reader.on("data", output.push); // little is read before somebody listens: the command waits
    },
    write: (bytes) => void writer?.write(bytes),
    closeInput: () => void writer?.end(() => writer.destroy()), // a pipe ends when it is closed
    kill() {
      if (running && !(current.child instanceof Error)) current.launch.kill(current.child);
    },
    exited,
  };
}

/** A command that could not even be tried. */
export function notStarted(error: string): RunningProcess {
  return {
    pid: undefined,
    onOutput() {},
    write() {},
    closeInput() {},
    kill() {},
    exited: Promise.resolve({ code: null, signal: null, error }),
  };
}

function startOr(close: () => void, prepare: () => Launch, pipes: RunPipes): Started {
  try {
    return start(prepare(), pipes);
  } catch (error) {
    close();
    throw error;
  }
}

function start(launch: Launch, { input, output }: RunPipes): Started {
  const { file, args, cwd, env } = launch;
  const blank = openSync("/dev/null", "r");
  const stdio: (number | "ignore")[] = [
    input?.read ?? blank,
    output.write,
    output.write,
    ...launch.descriptors,
  ];
  // What this process inherited without close-on-exec would be the command's too: it finds nothing there.
  for (const descriptor of inheritedDescriptors()) {
    while (stdio.length <= descriptor) stdio.push("ignore");
    if (stdio[descriptor] === "ignore") stdio[descriptor] = blank;
  }
  try {
    return { launch, child: spawn(file, args, { cwd, env, stdio, detached: true }) };
  } catch (error) {
    return { launch, child: error as Error };
  } finally {
    closeSync(blank);
  }
}

async function endOf(child: ChildProcess | Error): Promise<End> {
  if (child instanceof Error) return { code: null, signal: null, error: child.message };
  return new Promise((done) => {
    child.once("error", (error) => done({ code: null, signal: null, error: error.message }));
    child.once("exit", (code, signal) => done({ code, signal }));
  });
}

/** Reads what is in the pipe, without waiting for more. */
function drain(descriptor: number, deliver: (chunk: Buffer) => void): void {
  try {
    for (let total = 0; total < MOST_LEFT; ) {
      const buffer = Buffer.allocUnsafe(1 << 16);
      const bytes = readSync(descriptor, buffer);
      if (bytes === 0) return;
      deliver(buffer.subarray(0, bytes));
      total += bytes;
    }
  } catch {
    // EAGAIN: empty
  }
}
