/** Output of any length in bounded memory, and the part of it that fits a token budget. */

import { bytesOfTokens, tokensOfBytes } from "./request/tokens.ts";

export interface Captured {
  /** Head and tail without the gap between them, when there is one. */
  head: Buffer;
  tail: Buffer;
  /** Of everything, the gap included. */
  bytes: number;
}

/** Keeps the first `headLimit` and the last `tailLimit` bytes of what is pushed. */
export class HeadTail {
  readonly #headLimit: number;
  readonly #tailLimit: number;
  #head: Buffer = Buffer.alloc(0);
  #headLength = 0;
  /** A ring; allocated when the head is full. */
  #ring: Buffer | undefined;
  #ringNext = 0;
  #bytes = 0;

  constructor(headLimit: number, tailLimit: number) {
    this.#headLimit = headLimit;
    this.#tailLimit = tailLimit;
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    const room = Math.min(chunk.length, this.#headLimit - this.#headLength);
    if (room > 0) this.#pushHead(chunk.subarray(0, room));
    if (room < chunk.length) this.#pushRing(chunk.subarray(room));
  }

  snapshot(): Captured {
    const head = this.#head.subarray(0, this.#headLength);
    const inRing = Math.min(this.#bytes - this.#headLength, this.#tailLimit);
    if (!this.#ring || inRing === 0) return { head, tail: Buffer.alloc(0), bytes: this.#bytes };
    const wrapped = inRing === this.#tailLimit;
    const tail = wrapped
      ? Buffer.concat([this.#ring.subarray(this.#ringNext), this.#ring.subarray(0, this.#ringNext)])
      : this.#ring.subarray(0, this.#ringNext);
    return { head, tail, bytes: this.#bytes };
  }

  #pushHead(part: Buffer): void {
    const needed = this.#headLength + part.length;
    if (needed > this.#head.length) {
      const grown = Buffer.alloc(Math.min(this.#headLimit, Math.max(needed, 2 * this.#head.length)));
      this.#head.copy(grown, 0, 0, this.#headLength);
      this.#head = grown;
    }
    part.copy(this.#head, this.#headLength);
    this.#headLength = needed;
  }

  #pushRing(part: Buffer): void {
    this.#ring ??= Buffer.alloc(this.#tailLimit);
    const kept = part.length > this.#tailLimit ? part.subarray(part.length - this.#tailLimit) : part;
    const first = kept.copy(this.#ring, this.#ringNext);
    kept.copy(this.#ring, 0, first);
    this.#ringNext = (this.#ringNext + kept.length) % this.#tailLimit;
  }
}

/** All of it when it fits `limit` bytes, else the two ends around a line that says what is missing. */
export function textWithin(captured: Captured, limit: number): string {
  const { head, tail, bytes } = captured;
  if (bytes <= limit && bytes === head.length + tail.length) return decode(Buffer.concat([head, tail]));
  const begin = wholeStart(head.subarray(0, Math.min(head.length, Math.ceil(limit / 2))));
  const source = tail.length > 0 ? tail : head.subarray(begin.length);
  const end = wholeEnd(source.subarray(Math.max(0, source.length - Math.floor(limit / 2))));
  const missing = bytes - begin.length - end.length;
  return `${decode(begin)}\n[… ${tokensOfBytes(missing)} tokens (${missing} bytes) left out here …]\n${decode(end)}`;
}

/** Bytes that are no UTF-8 become one mark a run: a binary file says nothing, three bytes a byte. */
function decode(bytes: Buffer): string {
  return bytes.toString().replace(/\ufffd{2,}/g, "\ufffd");
}

/** {@link textWithin} for a text. */
export function cutText(text: string, maxTokens: number): string {
  const bytes = Buffer.from(text);
  return textWithin({ head: bytes, tail: Buffer.alloc(0), bytes: bytes.length }, bytesOfTokens(maxTokens));
}

/** Without the first bytes of a character that was cut at the end. */
function wholeStart(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return bytes;
    if (byte >= 0xc0) {
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return needed > back ? bytes.subarray(0, bytes.length - back) : bytes;
    }
  }
  return bytes;
}

/** Without the last bytes of a character that was cut at the start. */
function wholeEnd(bytes: Buffer): Buffer {
  let from = 0;
  while (from < 3 && from < bytes.length && (bytes[from]! & 0xc0) === 0x80) from++;
  return bytes.subarray(from);
}
