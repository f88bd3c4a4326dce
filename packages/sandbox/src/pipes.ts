/**
 * Real pipes for children. Node gives them sockets, one each for stdout and stderr: that loses their order,
 * `echo > /dev/stderr` fails, and a `bash` whose input is a socket reads `~/.bashrc` as if it were a remote login.
 * Pipes here are FIFOs that lose their names at once.
 */

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, constants, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { MohoError } from "@moho/protocol";
import { findProgram } from "./programs.ts";

/** The child's end blocks, as programs expect. */
export interface Pipe {
  read: number;
  write: number;
}

export interface PipePool {
  take(): Promise<Pipe>;
  close(): void;
}

/** One `mkfifo` makes pipes for this many commands; the next are made when few are left. */
const BATCH = 6;
const LOW = 2;

/** `directory` exists and is out of reach of commands; `open` is {@link openOutput} or {@link openInput}. */
export function pipePool(directory: string, open: (path: string) => Pipe): PipePool {
  const ready: Pipe[] = [];
  let filling: Promise<void> | undefined;
  let closed = false;
  const keep = (made: readonly Pipe[]): void => {
    if (closed) made.forEach(closePipe);
    else ready.push(...made);
  };
  const fill = (): Promise<void> => {
    filling ??= makePipes(directory, open)
      .then(keep)
      .finally(() => {
        filling = undefined;
      });
    return filling;
  };
  return {
    async take() {
      while (ready.length === 0) await fill();
      const pipe = ready.shift()!;
      if (ready.length <= LOW) fill().catch(() => {}); // whoever needs the next ones will hear of it
      return pipe;
    },
    close() {
      closed = true;
      ready.splice(0).forEach(closePipe);
    },
  };
}

function closePipe({ read, write }: Pipe): void {
  closeSync(read);
  closeSync(write);
}

async function makePipes(parent: string, open: (path: string) => Pipe): Promise<Pipe[]> {
  const directory = join(parent, `pipes-${randomUUID()}`);
  mkdirSync(directory, { mode: 0o700 });
  try {
    const paths = Array.from({ length: BATCH }, (_, index) => join(directory, String(index)));
    await mkfifo(paths);
    return paths.map(open);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function mkfifo(paths: readonly string[]): Promise<void> {
  const child = spawn(findProgram("mkfifo") ?? "mkfifo", ["-m", "600", ...paths], {
    stdio: "ignore",
    env: {},
  });
  const outcome = await new Promise<string | number | null>((done) => {
    child.once("error", (error) => done(error.message));
    child.once("exit", done);
  });
  if (outcome !== 0) throw new MohoError("internal", `mkfifo failed in ${paths[0]}: ${outcome}`);
}

/** A pipe that the child writes. Opening a FIFO waits for its other end, unless to read without blocking. */
export function openOutput(path: string): Pipe {
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { read, write: openSync(path, constants.O_WRONLY) };
}

/** A pipe that the child reads. */
export function openInput(path: string): Pipe {
  const { read: first, write } = openOutput(path);
  const read = openSync(path, constants.O_RDONLY);
  closeSync(first);
  return { read, write };
}
