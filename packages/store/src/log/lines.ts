/**
 * The file form of a stream: one line a record, `{"seq":…,"at":…,"hash":…,"body":…}` with the body as it was
 * appended. The line break commits a record; what follows the last one is torn.
 */

import { fstatSync, readSync } from "node:fs";
import { chainBreak, corrupt, GENESIS, type Link } from "../chain.ts";
import type { LogRecord } from "../ports.ts";
import { MAX_APPEND_BYTES } from "./checks.ts";

const CHUNK = 64 * 1024;
const FIRST_CHUNK = 2 * 1024;
const NEWLINE = 10;
const HEADER = /^\{"seq":(\d{1,15}),"at":"([^"]{24})","hash":"([0-9a-f]{64})","body":/;
const HEADER_BYTES = 160;
const MAX_LINE_BYTES = MAX_APPEND_BYTES + HEADER_BYTES;

type Header = Pick<LogRecord, "seq" | "at" | "hash">;

/** The end of a file. */
export interface Tail {
  /** The last committed record. */
  record: LogRecord | undefined;
  /** Bytes up to and including its line break. */
  end: number;
  /** Bytes behind it. */
  torn: number;
}

export function formatLine({ seq, at, hash, body }: LogRecord): string {
  return `{"seq":${seq},"at":"${at}","hash":"${hash}","body":${body}}\n`;
}

/** Reads the end of a file and verifies its last record; throws `log_corrupt` with the first damaged number. */
export function readTail(fd: number, stream: string): Tail {
  const size = fstatSync(fd).size;
  const end = lineStart(fd, size);
  if (end === 0) return { record: undefined, end, torn: size };
  const start = lineStart(fd, end - 1);
  const record = end - start > MAX_LINE_BYTES ? undefined : parseLine(readText(fd, start, end - 1));
  const previous = start === 0 ? GENESIS : headerAt(fd, lineStart(fd, start - 1));
  if (record === undefined || previous === undefined || chainBreak(previous, record) !== undefined) {
    for (const _ of records(fd, stream)); // finds the first damaged record, and throws
    throw corrupt(stream, record?.seq ?? 0, "it changed while it was read");
  }
  return { record, end, torn: size - end };
}

/** Number and time of the last committed record, however long that is: `none`, or `damaged`. */
export function readLastHeader(fd: number): Header | "none" | "damaged" {
  const end = lineStart(fd, fstatSync(fd).size);
  return end === 0 ? "none" : (headerAt(fd, lineStart(fd, end - 1)) ?? "damaged");
}

/**
 * The records after `after` in order, verified; throws `log_corrupt` with the number of the first that does not
 * hold. An uncommitted end (torn, or just being written by somebody) is passed over.
 */
export function* records(fd: number, stream: string, after = 0): Generator<LogRecord> {
  const from = after === 0 ? 0 : seek(fd, after);
  let previous: Link | undefined = from === 0 ? GENESIS : undefined;
  for (const line of lines(fd, from)) {
    const record = parseLine(line);
    if (record === undefined) throw corrupt(stream, (previous?.seq ?? after) + 1, "it is not a record");
    const reason = previous && chainBreak(previous, record);
    if (previous && reason !== undefined) throw corrupt(stream, previous.seq + 1, reason);
    previous = record;
    if (record.seq > after) yield record;
  }
}

/** Where a line starts whose number is at most `after`, near to it, by bisection: long files are not read through. */
function seek(fd: number, after: number): number {
  let low = 0;
  let high = lineStart(fd, fstatSync(fd).size);
  while (high - low > CHUNK) {
    const middle = low + Math.floor((high - low) / 2);
    const start = lineStart(fd, middle);
    if (start <= low) {
      high = middle;
      continue;
    }
    const header = headerAt(fd, start);
    if (header === undefined) return 0;
    if (header.seq <= after) low = start;
    else high = start;
  }
  return low;
}

/** The committed lines from `offset` (a line's start) on, without their line breaks; one too long for a record is cut. */
function* lines(fd: number, offset: number): Generator<string> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for (let position = offset; ; ) {
    const chunk = Buffer.allocUnsafe(CHUNK);
    const count = readSync(fd, chunk, 0, CHUNK, position);
    if (count === 0) return;
    position += count;
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1 && end < count; end = chunk.indexOf(NEWLINE, start)) {
      const piece = chunk.subarray(start, end);
      yield (pending.length === 0 ? piece : Buffer.concat([...pending, piece])).toString("utf8");
      pending = [];
      pendingBytes = 0;
      start = end + 1;
    }
    if (start === count) continue;
    pending.push(chunk.subarray(start, count));
    pendingBytes += count - start;
    if (pendingBytes > MAX_LINE_BYTES) yield "";
  }
}

/** The place after the last line break before `end`; 0 when there is none. Most lines are short: so are the first reads. */
function lineStart(fd: number, end: number): number {
  let length = FIRST_CHUNK;
  for (let high = end; high > 0; length = Math.min(2 * length, CHUNK)) {
    const low = Math.max(0, high - length);
    const chunk = Buffer.allocUnsafe(high - low);
    const count = readSync(fd, chunk, 0, chunk.length, low);
    const found = chunk.subarray(0, count).lastIndexOf(NEWLINE);
    if (found !== -1) return low + found + 1;
    high = low;
  }
  return 0;
}

function headerAt(fd: number, start: number): Header | undefined {
  return parseHeader(readText(fd, start, start + HEADER_BYTES));
}

function readText(fd: number, start: number, end: number): string {
  const buffer = Buffer.allocUnsafe(end - start);
  let filled = 0;
  while (filled < buffer.length) {
    const count = readSync(fd, buffer, filled, buffer.length - filled, start + filled);
    if (count === 0) break;
    filled += count;
  }
  return buffer.toString("utf8", 0, filled);
}

function parseLine(line: string): LogRecord | undefined {
  const header = parseHeader(line);
  if (header === undefined || !line.endsWith("}")) return undefined;
  const { seq, at, hash, length } = header;
  return { seq, at, hash, body: line.slice(length, -1) };
}

function parseHeader(text: string): (Header & { length: number }) | undefined {
  const match = HEADER.exec(text);
  if (match === null) return undefined;
  return { seq: Number(match[1]), at: match[2]!, hash: match[3]!, length: match[0].length };
}
