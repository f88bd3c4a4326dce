/** Reads a request body once, within limits of size and patience, hashing it while it arrives. */

import { createHash, type Hash, hash } from "node:crypto";
import type { Readable } from "node:stream";
import { MohoError } from "@moho/protocol";

export interface Body {
  bytes: Buffer;
  /** Lower-case hex SHA-256 of the bytes. */
  sha256: string;
}

/** How many bytes of bodies may be held at one time, over all exchanges. */
export class BodyRoom {
  #free: number;

  constructor(bytes: number) {
    this.#free = bytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#free) return false;
    this.#free -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#free += bytes;
  }
}

export interface BodyLimits {
  /** Larger bodies are refused with `body_too_large`. */
  bytes: number;
  /** Milliseconds of silence after which the peer is given up. */
  idleMs: number;
  /** Milliseconds for the whole body: a trickle must end. */
  totalMs: number;
}

const EMPTY: Body = { bytes: Buffer.alloc(0), sha256: hash("sha256", "") };

/**
 * The caller gives the room of a body back when it lets go of it. Rejects with `body_too_large`, `overloaded` (no room),
 * `invalid_request` (silence, trickle) or `interrupted` (the peer left).
 */
export function readBody(request: Readable, limits: BodyLimits, room: BodyRoom): Promise<Body> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let taken = 0;
    let hashing: Hash | undefined;
    const deadline = performance.now() + limits.totalMs;
    const timer = setTimeout(() => fail(tooSlow(limits.idleMs)), limits.idleMs);

    const fail = (error: MohoError) => {
      stop();
      room.give(taken);
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.bytes) return fail(tooLarge(limits.bytes));
      if (performance.now() > deadline) return fail(tooSlow(limits.totalMs));
      if (!room.take(chunk.length)) return fail(noRoom());
      taken += chunk.length;
      timer.refresh();
      if (chunks.length > 0) {
        hashing ??= createHash("sha256").update(chunks[0]!);
        hashing.update(chunk);
      }
      chunks.push(chunk);
    };
    const onEnd = () => {
      stop();
      if (size === 0) return resolve(EMPTY);
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size);
      resolve({ bytes, sha256: hashing ? hashing.digest("hex") : hash("sha256", bytes) });
    };
    const onGone = () =>
      fail(new MohoError("interrupted", "The client left before its request was complete."));
    const stop = () => {
      clearTimeout(timer);
      request.off("data", onData);
      request.off("end", onEnd);
      request.off("aborted", onGone);
    };
    request.on("data", onData);
    request.on("end", onEnd);
    request.on("aborted", onGone);
  });
}

export function tooLarge(limit: number): MohoError {
  return new MohoError("body_too_large", `The request body is larger than ${limit} bytes.`);
}

function noRoom(): MohoError {
  const reason = "The gateway holds as many request bodies as it may.";
  return new MohoError("overloaded", reason, { retryAfter: 1 });
}

function tooSlow(ms: number): MohoError {
  return new MohoError("invalid_request", `The request body did not arrive within ${ms / 1000} seconds.`);
}
