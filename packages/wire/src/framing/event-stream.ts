/**
 * `application/vnd.amazon.eventstream`: an encoder and an incremental decoder with both checksums (aws-wire §4.4).
 * Message: u32 total length | u32 headers length | u32 CRC of these 8 bytes | headers | payload | u32 CRC of all before.
 */

import { Buffer } from "node:buffer";

export interface EventMessage {
  /** Headers whose value is a string; Bedrock sends no other kind. */
  headers: ReadonlyMap<string, string>;
  /** A view on bytes that were pushed: good as long as the pusher leaves them alone. */
  payload: Buffer;
  /**
   * Why this message is not one, always the last: `corrupt` (a checksum or a length is wrong: nothing behind it can be
   * trusted), `too_large` (above the decoder's limit), `unterminated` (the bytes ended inside it).
   */
  fault?: "corrupt" | "too_large" | "unterminated";
}

const PRELUDE = 12;
/** Prelude and closing checksum. */
const FRAME = 16;
const HEADERS_LIMIT = 128 * 1024;
const DEFAULT_LIMIT = 24 * 1024 * 1024;
const STRING = 7;
/** Bytes of a header value by type; strings and byte arrays carry their own length. */
const VALUE_BYTES: readonly number[] = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16];
const NO_HEADERS: ReadonlyMap<string, string> = new Map();

/** Writes messages that all have `:content-type: application/json`; the headers of a type, of at most 32,767 bytes, are made once. */
export class EventStreamEncoder {
  readonly #headers = new Map<string, Buffer>();

  event(type: string, payload: Uint8Array | string): Buffer {
    return this.#message("event", type, payload);
  }

  /** `type` as the service model spells it: `throttlingException`. */
  exception(type: string, payload: Uint8Array | string): Buffer {
    return this.#message("exception", type, payload);
  }

  #message(kind: "event" | "exception", type: string, payload: Uint8Array | string): Buffer {
    const key = `:${kind}-type`;
    let headers = this.#headers.get(key + type);
    if (headers === undefined) {
      headers = headerBytes({
        [key]: type,
        ":content-type": "application/json",
        ":message-type": kind,
      });
      this.#headers.set(key + type, headers);
    }
    return withHeaders(headers, payload);
  }
}

/**
 * Turns chunks of bytes, cut anywhere, into messages. Never throws. After a fault everything is ignored, since lengths
 * cannot be trusted any more. Memory is bounded by `limit`, the bytes one message may have.
 */
export class EventStreamDecoder {
  readonly #limit: number;
  /** Holds the beginning of a message in its first `#held` bytes. */
  #carry: Buffer = Buffer.alloc(0);
  #held = 0;
  #broken = false;

  constructor(limit: number = DEFAULT_LIMIT) {
    this.#limit = limit;
  }

  /** True between messages: nothing of a further one has arrived. */
  get atBoundary(): boolean {
    return this.#held === 0 && !this.#broken;
  }

  push(chunk: Uint8Array): EventMessage[] {
    const messages: EventMessage[] = [];
    if (this.#broken || chunk.length === 0) return messages;
    const bytes = this.#held === 0 ? asBuffer(chunk) : this.#append(chunk);
    let at = 0;
    while (!this.#broken) {
      const message = this.#next(bytes, at);
      if (message === undefined) break;
      messages.push(message.event);
      at += message.length;
    }
    if (this.#broken) this.#drop();
    else if (this.#held === 0 || at > 0) this.#keep(bytes, at);
    return messages;
  }

  /** The fault of a stream that ended inside a message. Nothing may be pushed afterwards. */
  end(): EventMessage[] {
    if (this.atBoundary || this.#broken) return [];
    this.#drop();
    this.#broken = true;
    return [faulty("unterminated")];
  }

  #next(bytes: Buffer, at: number): { event: EventMessage; length: number } | undefined {
    if (bytes.length - at < PRELUDE) return undefined;
    const length = bytes.readUInt32BE(at);
    const headersLength = bytes.readUInt32BE(at + 4);
    const intact = crc32(bytes, at, at + 8) === bytes.readInt32BE(at + 8);
    if (!intact || length < FRAME || headersLength > length - FRAME) return this.#fault("corrupt");
    if (length > this.#limit || headersLength > HEADERS_LIMIT) return this.#fault("too_large");
    const end = at + length;
    if (bytes.length < end) return undefined;
    if (crc32(bytes, at, end - 4) !== bytes.readInt32BE(end - 4)) return this.#fault("corrupt");
    const payloadStart = at + PRELUDE + headersLength;
    const headers = readHeaders(bytes, at + PRELUDE, payloadStart);
    if (headers === undefined) return this.#fault("corrupt");
    return { event: { headers, payload: bytes.subarray(payloadStart, end - 4) }, length };
  }

  #fault(fault: "corrupt" | "too_large"): { event: EventMessage; length: number } {
    this.#broken = true;
    return { event: faulty(fault), length: 0 };
  }

  /** Everything held, with `chunk` behind it. Room doubles, so that a message in tiny pieces is copied a few times only. */
  #append(chunk: Uint8Array): Buffer {
    const total = this.#held + chunk.length;
    if (total > this.#carry.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(total, this.#carry.length * 2, 512));
      this.#carry.copy(larger, 0, 0, this.#held);
      this.#carry = larger;
    }
    this.#carry.set(chunk, this.#held);
    this.#held = total;
    return this.#carry.subarray(0, total);
  }

  /** Keeps what stands behind `at` in a buffer of its own: messages handed out are views on the one before. */
  #keep(bytes: Buffer, at: number): void {
    this.#held = bytes.length - at;
    this.#carry = Buffer.from(bytes.subarray(at));
  }

  #drop(): void {
    this.#carry = Buffer.alloc(0);
    this.#held = 0;
  }
}

function faulty(fault: "corrupt" | "too_large" | "unterminated"): EventMessage {
  return { headers: NO_HEADERS, payload: Buffer.alloc(0), fault };
}

function withHeaders(headers: Buffer, payload: Uint8Array | string): Buffer {
  const size = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
  const length = FRAME + headers.length + size;
  const message = Buffer.allocUnsafe(length);
  message.writeUInt32BE(length, 0);
  message.writeUInt32BE(headers.length, 4);
  message.writeInt32BE(crc32(message, 0, 8), 8);
  headers.copy(message, PRELUDE);
  if (typeof payload === "string") message.write(payload, PRELUDE + headers.length);
  else message.set(payload, PRELUDE + headers.length);
  message.writeInt32BE(crc32(message, 0, length - 4), length - 4);
  return message;
}

function headerBytes(headers: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(headers)) {
    const key = Buffer.from(name);
    const text = Buffer.from(value);
    if (key.length === 0 || key.length > 255 || text.length > 0x7fff) {
      throw new RangeError(`The event-stream header \`${name.slice(0, 40)}\` does not fit.`);
    }
    parts.push(Buffer.of(key.length), key, Buffer.of(STRING, text.length >> 8, text.length & 0xff), text);
  }
  return Buffer.concat(parts);
}

/** `undefined` when the headers do not end where they should or have a type that does not exist. */
function readHeaders(bytes: Buffer, from: number, end: number): Map<string, string> | undefined {
  const headers = new Map<string, string>();
  for (let at = from; at < end; ) {
    const nameEnd = at + 1 + bytes[at]!;
    const type = bytes[nameEnd]!;
    const fixed = VALUE_BYTES[type];
    if (fixed === undefined) return undefined;
    let start = nameEnd + 1;
    let size = fixed;
    if (fixed < 0) {
      if (start + 2 > end) return undefined;
      size = bytes.readUInt16BE(start);
      start += 2;
    }
    if (start + size > end) return undefined;
    if (type === STRING)
      headers.set(bytes.toString("utf8", at + 1, nameEnd), bytes.toString("utf8", start, start + size));
    at = start + size;
  }
  return headers;
}

/** Four tables, so that four bytes are taken at a time. */
const TABLES: readonly Int32Array[] = crcTables();

/** CRC-32 (IEEE 802.3) of `bytes` from `start` up to `end`, as a signed 32-bit number. */
function crc32(bytes: Uint8Array, start: number, end: number): number {
  const [one, two, three, four] = TABLES as [Int32Array, Int32Array, Int32Array, Int32Array];
  let crc = -1;
  let at = start;
  for (const last = end - 3; at < last; at += 4) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc = four[crc & 0xff]! ^ three[(crc >>> 8) & 0xff]! ^ two[(crc >>> 16) & 0xff]! ^ one[crc >>> 24]!;
  }
  for (; at < end; at++) crc = one[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc;
}

function crcTables(): Int32Array[] {
  const tables = [new Int32Array(256), new Int32Array(256), new Int32Array(256), new Int32Array(256)];
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    tables[0]![byte] = crc;
  }
  for (let n = 1; n < 4; n++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = tables[n - 1]![byte]!;
      tables[n]![byte] = (before >>> 8) ^ tables[0]![before & 0xff]!;
    }
  }
  return tables;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
