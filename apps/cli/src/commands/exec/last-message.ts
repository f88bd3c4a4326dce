/** Where `-o FILE` goes: opened before the turn, so that nothing a command does can lead it elsewhere. */

import { closeSync, constants, ftruncateSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { MohoError } from "@moho/protocol";
import type { Arguments } from "../../command.ts";
import type { Context } from "../../context.ts";

export interface LastMessage {
  save(text: string): void;
  close(): void;
}

/** Throws `invalid_request` when the file cannot be written. Its content stays until there is a message. */
export function openLastMessage(context: Context, args: Arguments): LastMessage {
  const path = args.value("output-last-message");
  if (path === undefined) return { save: () => undefined, close: () => undefined };
  const fd = open(resolve(context.cwd, path));
  return {
    save(text) {
      writeSync(fd, text, 0);
      truncate(fd, Buffer.byteLength(text));
    },
    close: () => closeSync(fd),
  };
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o666);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new MohoError("invalid_request", `The file ${path} cannot be written (${code}).`, { cause });
  }
}

/** Pipes and devices cannot be cut, and need not be. */
function truncate(fd: number, size: number): void {
  try {
    ftruncateSync(fd, size);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
  }
}
