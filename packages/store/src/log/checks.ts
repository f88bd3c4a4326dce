/** What a log takes from outside: stream names that are safe as file names, bodies that fit on a line. Pure. */

import { MohoError } from "@moho/protocol";

/** The most that one append may hold, all bodies together. */
export const MAX_APPEND_BYTES = 64 * 1024 * 1024;

/** Lower case only: on many machines `A` and `a` are one file. No segment starts with a dot or a dash. */
const STREAM_NAME = /^[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*$/;
const MAX_NAME_LENGTH = 200;

/** Throws `invalid_request` unless `stream` is slash-separated words of `a-z 0-9 . _ -`. */
export function checkStream(stream: string): void {
  if (stream.length <= MAX_NAME_LENGTH && STREAM_NAME.test(stream)) return;
  throw new MohoError(
    "invalid_request",
    `${JSON.stringify(stream.slice(0, 80))} cannot name a stream: use words of a-z, 0-9, ".", "_" and "-", separated by "/".`,
  );
}

/** Throws unless `bodies` can be stored exactly: one line each, real Unicode, not too much. */
export function checkAppend(stream: string, bodies: readonly string[]): void {
  checkStream(stream);
  let bytes = 0;
  for (const body of bodies) {
    bytes += Buffer.byteLength(body);
    if (body === "" || /[\n\r\0]/.test(body) || !body.isWellFormed()) {
      throw new MohoError(
        "invalid_request",
        `A record for "${stream}" is empty, has a line break or is not valid Unicode: bodies are JSON on one line.`,
      );
    }
  }
  if (bytes > MAX_APPEND_BYTES) {
    throw new MohoError(
      "body_too_large",
      `An append to "${stream}" has ${bytes} bytes; a log takes ${MAX_APPEND_BYTES}.`,
      { next: "Store less in one record." },
    );
  }
}
