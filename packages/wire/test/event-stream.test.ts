import { randomChunks, seededRandom } from "@moho/testkit";
import { type EventMessage, EventStreamDecoder, EventStreamEncoder } from "@moho/wire";
import { EventStreamCodec } from "@smithy/core/event-streams";
import { describe, expect, it } from "vitest";

/** aws-wire §4.4, made by Smithy's codec. */
const VECTOR =
  "000000760000005296d5fade0b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22726f6c65223a22617373697374616e74227d6fa8c599";

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString("utf8"),
  (text) => Buffer.from(text),
);

const frames = new EventStreamEncoder();
const STREAM = Buffer.concat([
  frames.event("messageStart", '{"role":"assistant"}'),
  frames.event("contentBlockDelta", '{"contentBlockIndex":0,"delta":{"text":"Grüße 😀"}}'),
  frames.event("empty", ""),
  frames.exception("throttlingException", '{"message":"slow down"}'),
]);

function decode(chunks: Iterable<Uint8Array>, limit?: number): EventMessage[] {
  const decoder = new EventStreamDecoder(limit);
  return [...[...chunks].flatMap((chunk) => decoder.push(chunk)), ...decoder.end()];
}
const shown = (messages: readonly EventMessage[]): unknown[] =>
  messages.map(({ headers, payload, fault }) => ({
    ...Object.fromEntries(headers),
    text: payload.toString(),
    fault,
  }));

describe("the encoder", () => {
  it("writes the known vector", () => {
    expect(frames.event("messageStart", '{"role":"assistant"}').toString("hex")).toBe(VECTOR);
  });
  it("is read by Smithy's codec, whatever the size", () => {
    const random = seededRandom(1);
    for (let size = 0; size < 70; size++) {
      const payload = Buffer.from(Array.from({ length: size }, () => random.int(256)));
      const message = codec.decode(frames.event(`é${"x".repeat(size)}`, payload));
      expect(message.headers[":event-type"]).toEqual({ type: "string", value: `é${"x".repeat(size)}` });
      expect(Buffer.from(message.body)).toEqual(payload);
    }
  });
  it("refuses headers that do not fit", () => {
    expect(() => frames.event("x".repeat(40_000), "")).toThrow(RangeError);
  });
});

describe("the decoder", () => {
  it("reads what Smithy's codec writes, and skips headers that are not strings", () => {
    const bytes = codec.encode({
      headers: {
        yes: { type: "boolean", value: true },
        no: { type: "boolean", value: false },
        byte: { type: "byte", value: 7 },
        short: { type: "short", value: -7 },
        integer: { type: "integer", value: 70_000 },
        binary: { type: "binary", value: new Uint8Array([1, 2, 3]) },
        timestamp: { type: "timestamp", value: new Date(0) },
        uuid: { type: "uuid", value: "01234567-89ab-cdef-0123-456789abcdef" },
        ":event-type": { type: "string", value: "chunk" },
      },
      body: Buffer.from("{}"),
    });
    expect(shown(decode([bytes]))).toEqual([{ ":event-type": "chunk", text: "{}", fault: undefined }]);
  });
  it("gives the same however the bytes are cut", () => {
    const whole = shown(decode([STREAM]));
    expect(whole).toHaveLength(4);
    for (let seed = 0; seed < 60; seed++) {
      expect(shown(decode(randomChunks(STREAM, seededRandom(seed), 1 + seed * 3)))).toEqual(whole);
    }
  });
  it("says where a stream was cut: between messages or inside one", () => {
    const ends = new Set([0]);
    for (let at = 0; at < STREAM.length; ends.add(at)) at += STREAM.readUInt32BE(at);
    for (let cut = 0; cut < STREAM.length; cut++) {
      const messages = decode([STREAM.subarray(0, cut)]);
      const whole = [...ends].filter((end) => end <= cut).length - 1;
      const faults = messages.map(({ fault }) => fault).filter((fault) => fault !== undefined);
      expect(messages.length - faults.length).toBe(whole);
      expect(faults).toEqual(ends.has(cut) ? [] : ["unterminated"]);
    }
  });
  it("detects every flipped bit and trusts nothing behind it", () => {
    const good = shown(decode([STREAM]));
    for (let bit = 0; bit < STREAM.length * 8; bit++) {
      const bytes = Buffer.from(STREAM);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const messages = shown(decode([bytes]));
      expect(messages.at(-1)).toMatchObject({ fault: "corrupt" });
      expect(messages.slice(0, -1)).toEqual(good.slice(0, messages.length - 1));
    }
  });
  it("never throws on noise", () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = seededRandom(seed);
      const noise = Buffer.from(Array.from({ length: random.int(200) }, () => random.int(256)));
      const messages = decode(randomChunks(noise, random, 40));
      expect(messages.length).toBeLessThanOrEqual(1);
    }
  });
  it("refuses at the prelude what is larger than its limit, before the bytes arrive", () => {
    const large = frames.event("e", "x".repeat(1000));
    expect(shown(decode([large.subarray(0, 12)], large.length - 1))).toMatchObject([{ fault: "too_large" }]);
    expect(decode([large], large.length)[0]!.payload).toHaveLength(1000);
  });
  it("refuses headers that do not end where they should", () => {
    // Both checksums are right; only the border between headers and payload is not.
    const honest = frames.event("e", "f");
    const headers = honest.readUInt32BE(4);
    const borders = new Set([0]);
    for (let at = 12; at < 12 + headers; borders.add(at - 12)) {
      const value = at + 1 + honest[at]! + 1;
      at = value + 2 + honest.readUInt16BE(value);
    }
    for (let size = 0; size <= headers + 1; size++) {
      const [message] = decode([reframed(honest, size)]);
      expect(message?.fault).toBe(borders.has(size) ? undefined : "corrupt");
    }
  });
  it("refuses a header of a type that does not exist", () => {
    const honest = frames.event("e", "f");
    const bytes = Buffer.from(honest);
    bytes[12 + 1 + ":event-type".length] = 10;
    expect(decode([reframed(bytes, bytes.readUInt32BE(4))])[0]?.fault).toBe("corrupt");
  });
  it("keeps messages good after more bytes have come", () => {
    const decoder = new EventStreamDecoder();
    decoder.push(STREAM.subarray(0, 5));
    const [first] = decoder.push(STREAM.subarray(5, 130));
    for (let at = 130; at < STREAM.length; at++) decoder.push(STREAM.subarray(at, at + 1));
    expect(first!.payload.toString()).toBe('{"role":"assistant"}');
  });
});

/** The same message claiming that its headers have `size` bytes. */
function reframed(message: Buffer, size: number): Buffer {
  const body = message.subarray(12, message.length - 4);
  const bytes = Buffer.alloc(message.length);
  bytes.writeUInt32BE(message.length, 0);
  bytes.writeUInt32BE(size, 4);
  bytes.writeUInt32BE(crc(bytes.subarray(0, 8)), 8);
  body.copy(bytes, 12);
  bytes.writeUInt32BE(crc(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
  return bytes;
}

/** Bit by bit, so that it shares nothing with the tables under test. */
function crc(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return ~value >>> 0;
}
