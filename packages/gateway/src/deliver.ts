/** Carries an upstream's answer to the client byte for byte, at the client's pace, while a tap reads it. */

import type { Readable } from "node:stream";
import { MohoError } from "@moho/protocol";
import type { Call } from "./call.ts";
import type { Exchange } from "./http/exchange.ts";

/** A larger event than any answer has: only a broken upstream sends one. */
const EVENT_BYTES = 16 * 1024 * 1024;

const LF = 10;

/**
 * Resolves when the whole answer was handed to the client. Rejects with `interrupted` when the client left or the
 * gateway stops, and with `stream_interrupted` or the transport's own error when the upstream broke off: the client
 * then has only whole events of it, so that an error event can follow.
 */
export function deliver(
  exchange: Exchange,
  body: Readable,
  call: Call,
  onFirstByte: () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const { streams } = call;
    const tap = call.tap!;
    let held: Buffer[] = [];
    let heldBytes = 0;
    let begun = false;

    const resume = () => body.resume();
    const pass = (bytes: Buffer) => {
      if (exchange.write(bytes)) return;
      body.pause();
      exchange.onDrain(resume);
    };
    /** Passes the whole events; the beginning of a further one waits for its end. */
    const passEvents = (chunk: Buffer) => {
      const end = endOfEvents(chunk, held);
      if (end > 0) {
        const whole = end === chunk.length ? chunk : chunk.subarray(0, end);
        pass(heldBytes === 0 ? whole : Buffer.concat([...held, whole]));
        held = [];
        heldBytes = 0;
      }
      if (end === chunk.length) return;
      held.push(chunk.subarray(end));
      heldBytes += chunk.length - end;
      if (heldBytes > EVENT_BYTES) fail(broken(`sent an event of more than ${EVENT_BYTES} bytes`));
    };
    const onData = (chunk: Buffer) => {
      if (!begun) {
        begun = true;
        onFirstByte();
      }
      tap.write(chunk);
      if (streams) passEvents(chunk);
      else pass(chunk);
    };
    const onEnd = () => {
      tap.end();
      if (streams && !tap.reading.terminal)
        return fail(broken("ended its stream before the answer was complete"));
      stop();
      exchange.end(heldBytes === 0 ? undefined : Buffer.concat(held));
      resolve();
    };
    const onClose = () => fail(broken("closed its stream before the answer was complete"));
    const onError = (cause: unknown) =>
      fail(cause instanceof MohoError ? cause : broken("broke its stream off", cause));
    const onAbort = () => {
      const why = exchange.stalled
        ? "The client took nothing of its answer for too long"
        : "The call was given up";
      fail(new MohoError("interrupted", `${why} before it was complete.`));
    };
    const fail = (error: MohoError) => {
      stop();
      body.on("error", ignore);
      body.destroy();
      reject(error);
    };
    const stop = () => {
      body.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
      exchange.whenAborted(undefined);
    };

    body.on("end", onEnd).on("error", onError).on("close", onClose);
    body.on("data", onData);
    exchange.whenAborted(onAbort);
    if (streams) {
      setImmediate(() => {
        if (!begun) exchange.flushHead();
      });
    }
  });
}

export function isEventStream(contentType: string): boolean {
  return /^text\/event-stream\b/i.test(contentType);
}

/** How many bytes of `chunk` belong to events that end in it. */
function endOfEvents(chunk: Buffer, held: readonly Buffer[]): number {
  const size = chunk.length;
  if (chunk[size - 1] === LF && lineEndBefore(chunk, size - 1, held)) return size;
  for (let at = chunk.lastIndexOf(LF); at >= 0; at = at === 0 ? -1 : chunk.lastIndexOf(LF, at - 1)) {
    if (lineEndBefore(chunk, at, held)) return at + 1;
  }
  return 0;
}

/** Does the line feed at `at` end an empty line: `\n\n` or `\r\n\r\n`, the first of which may be in what is held? */
function lineEndBefore(chunk: Buffer, at: number, held: readonly Buffer[]): boolean {
  const before = byteBefore(chunk, at, held, 1);
  return before === LF || (before === 13 && byteBefore(chunk, at, held, 2) === LF);
}

function byteBefore(chunk: Buffer, at: number, held: readonly Buffer[], back: number): number | undefined {
  if (at >= back) return chunk[at - back];
  let missing = back - at;
  for (let i = held.length - 1; i >= 0; i--) {
    const piece = held[i]!;
    if (piece.length >= missing) return piece[piece.length - missing];
    missing -= piece.length;
  }
  return undefined;
}

function ignore(): void {}

function broken(how: string, cause?: unknown): MohoError {
  return new MohoError("stream_interrupted", `The upstream ${how}.`, { cause });
}
