/** Runs one launch: merged output as it comes, input, kill, and exactly one end. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { inheritedDescriptors } from "./descriptors.ts";
import type { Launch } from "./layers/layer.ts";
import type { Pipe } from "./pipes.ts";
import type { RunningProcess } from "./ports.ts";

type End = Awaited<RunningProcess["exited"]>;

/** No more than a pipe can hold is read after the end: what came before it, not what a survivor still writes. */
const MOST_LEFT = 1 << 20;

export interface RunPipes {
  output: Pipe;
  /** `undefined`: the command's input is empty. */
  input: Pipe | undefined;
}

/** Takes the pipes over. What `prepare` throws is thrown, and leaves nothing open. */
export function run(prepare: () => Launch, pipes: RunPipes): RunningProcess {
  const reader = new Socket({ fd: pipes.output.read, readable: true, writable: false });
  const writer = pipes.input && new Socket({ fd: pipes.input.write, readable: false, writable: true });
  reader.on("error", () => {});
  writer?.on("error", () => {}); // the command does not read its input: not our failure
  const { launch, child } = startOrClose(prepare, pipes, [reader, writer]);
  const backlog: Buffer[] = [];
  let listener: ((chunk: Buffer) => void) | undefined;
  let running = true;

  const finish = (end: End): End => {
    running = false;
    const early: Buffer | null = reader.read(); // reaches the listener by itself, if there is one
    if (early !== null && listener === undefined) backlog.push(early);
    drain(pipes.output.read, (chunk) => (listener === undefined ? backlog.push(chunk) : listener(chunk)));
    reader.destroy();
    writer?.destroy();
    launch.ended();
    return end;
  };
  const exited = new Promise<End>((done) => {
    if (child instanceof Error) return done(finish({ code: null, signal: null, error: child.message }));
    child.once("error", (error) => done(finish({ code: null, signal: null, error: error.message })));
    child.once("exit", (code, signal) => done(finish({ code, signal })));
  });

  return {
    pid: child instanceof Error ? undefined : child.pid,
    onOutput(next) {
      listener = next;
      for (const chunk of backlog.splice(0)) next(chunk);
      reader.on("data", next); // little is read before somebody listens: the command waits
    },
    write: (bytes) => void writer?.write(bytes),
    closeInput: () => void writer?.end(() => writer.destroy()), // a pipe ends when it is closed
    kill() {
      if (running && !(child instanceof Error)) launch.kill(child);
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

/** The child's ends of the pipes are closed here in any case, and ours too when there is nothing to launch. */
function startOrClose(
  prepare: () => Launch,
  { input, output }: RunPipes,
  ours: readonly (Socket | undefined)[],
) {
  const blank = openSync("/dev/null", "r");
  try {
    const launch = prepare();
    return { launch, child: start(launch, input?.read ?? blank, output.write, blank) };
  } catch (error) {
    for (const socket of ours) socket?.destroy();
    throw error;
  } finally {
    if (input !== undefined) closeSync(input.read);
    closeSync(output.write);
    closeSync(blank);
  }
}

/** An error where Node throws at once, as for arguments that are too long. */
function start(launch: Launch, input: number, output: number, blank: number): ChildProcess | Error {
  const stdio: (number | "ignore")[] = [input, output, output, ...launch.descriptors];
  // What this process inherited without close-on-exec would be the command's too: it finds nothing there.
  for (const descriptor of inheritedDescriptors()) {
    while (stdio.length <= descriptor) stdio.push("ignore");
    if (stdio[descriptor] === "ignore") stdio[descriptor] = blank;
  }
  const { file, args, cwd, env } = launch;
  try {
    return spawn(file, args, { cwd, env, stdio, detached: true });
  } catch (error) {
    return error as Error;
  }
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
