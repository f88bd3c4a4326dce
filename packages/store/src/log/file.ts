/**
 * A log in a folder: `YYYY/MM/DD/<stream>.jsonl` by the day a stream began, "/" in a name written as "~". What is
 * kept in memory does not grow with history; one process writes a stream at a time, anybody may read it.
 */

import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate as nextTick } from "node:timers/promises";
import { MohoError } from "@moho/protocol";
import { GENESIS, type Link, nextRecords } from "../chain.ts";
import { checkRange, closed } from "../checks.ts";
import type { Log, LogRecord } from "../ports.ts";
import { checkAppend, checkStream } from "./checks.ts";
import { formatLine, readLastHeader, readTail, records } from "./lines.ts";
import { acquireLock } from "./lock.ts";

/** A last record that was not completely written when its process or machine died; it has been cut off. */
export interface TornRecord {
  stream: string;
  /** The number it would have had. */
  seq: number;
  bytes: number;
}

export interface FileLogOptions {
  /** Epoch milliseconds. */
  now?: () => number;
  /** Called when a stream is opened for writing and its end is torn. */
  onTorn?: (torn: TornRecord) => void;
}

/** A stream that this process writes. */
interface Writer {
  unlock: () => void;
  path: string | undefined;
  fd: number | undefined;
  /** `undefined` when it must be read from the file. */
  head: Link | undefined;
}

const EXTENSION = ".jsonl";
const MAX_OPEN_FILES = 64;
const FILES_PER_TICK = 128;
const BYTES_PER_TICK = 256 * 1024;

/** Opens the log below `folder`, which is made with the first append, for its owner only. */
export function openFileLog(folder: string, options: FileLogOptions = {}): Log {
  return new FileLog(folder, options);
}

class FileLog implements Log {
  readonly #folder: string;
  readonly #now: () => number;
  readonly #onTorn: ((torn: TornRecord) => void) | undefined;
  readonly #writers = new Map<string, Writer>();
  /** Those with an open file; used last is last. */
  readonly #recent = new Set<Writer>();
  #open = true;

  constructor(folder: string, { now = Date.now, onTorn }: FileLogOptions) {
    this.#folder = folder;
    this.#now = now;
    this.#onTorn = onTorn;
  }

  async append(stream: string, bodies: readonly string[]): Promise<LogRecord[]> {
    this.#ensureOpen();
    checkAppend(stream, bodies);
    const writer = this.#writerOf(stream);
    const head = this.#headOf(stream, writer);
    if (bodies.length === 0) return [];
    const now = this.#now();
    const added = nextRecords(head, now, bodies);
    writer.head = undefined; // whatever a failing write leaves behind, the next append finds out
    this.#write(stream, writer, now, Buffer.from(added.map(formatLine).join("")));
    writer.head = added.at(-1);
    return added;
  }

  async *read(
    stream: string,
    { after = 0, limit = Number.POSITIVE_INFINITY }: { after?: number; limit?: number } = {},
  ): AsyncGenerator<LogRecord> {
    this.#ensureOpen();
    checkStream(stream);
    checkRange(after, limit === Number.POSITIVE_INFINITY ? undefined : limit);
    const path = this.#find(stream);
    if (path === undefined || limit === 0) return;
    const fd = openSync(path, "r");
    try {
      let count = 0;
      let bytes = 0;
      for (const record of records(fd, stream, after)) {
        yield record;
        if (++count === limit) return;
        bytes += record.body.length + 128;
        if (bytes > BYTES_PER_TICK) {
          bytes = 0;
          await nextTick();
        }
      }
    } finally {
      closeSync(fd);
    }
  }

  async last(stream: string): Promise<LogRecord | undefined> {
    this.#ensureOpen();
    checkStream(stream);
    const path = this.#find(stream);
    return path === undefined ? undefined : withFile(path, (fd) => readTail(fd, stream).record);
  }

  /**
   * Reads the end of each file only, and with `limit` only of those that were written last. A stream whose last
   * record is damaged is listed with 0 records and its file's time.
   */
  async streams(prefix = "", limit?: number): Promise<{ stream: string; records: number; at: string }[]> {
    this.#ensureOpen();
    checkRange(0, limit);
    const files = [];
    for (const file of this.#files(prefix)) {
      files.push({ ...file, written: statSync(file.path).mtimeMs });
      if (files.length % FILES_PER_TICK === 0) await nextTick();
    }
    files.sort((a, b) => b.written - a.written);
    const found = [];
    for (const { stream, path, written } of files) {
      if (found.length === limit) break;
      const last = withFile(path, readLastHeader);
      if (last === "damaged") found.push({ stream, records: 0, at: new Date(written).toISOString() });
      else if (last !== "none") found.push({ stream, records: last.seq, at: last.at });
      if (found.length % FILES_PER_TICK === 0) await nextTick();
    }
    return found.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
  }

  async close(): Promise<void> {
    this.#open = false;
    for (const { fd, unlock } of this.#writers.values()) {
      if (fd !== undefined) closeSync(fd);
      unlock();
    }
    this.#writers.clear();
    this.#recent.clear();
  }

  #ensureOpen(): void {
    if (!this.#open) throw closed();
  }

  #writerOf(stream: string): Writer {
    const known = this.#writers.get(stream);
    if (known !== undefined) return known;
    const writer: Writer = {
      unlock: acquireLock(join(this.#folder, ".locks", `${fileName(stream)}.lock`), stream),
      path: this.#find(stream),
      fd: undefined,
      head: undefined,
    };
    this.#writers.set(stream, writer);
    return writer;
  }

  /** The last committed record; cuts off what is torn behind it. */
  #headOf(stream: string, writer: Writer): Link {
    if (writer.head !== undefined) return writer.head;
    if (writer.path === undefined) return GENESIS;
    const fd = this.#fileOf(writer, writer.path);
    const { record: head = GENESIS, end, torn } = readTail(fd, stream);
    if (torn > 0) {
      ftruncateSync(fd, end);
      this.#onTorn?.({ stream, seq: head.seq + 1, bytes: torn });
    }
    writer.head = head;
    return head;
  }

  #write(stream: string, writer: Writer, now: number, bytes: Buffer): void {
    try {
      writer.path ??= this.#newPath(stream, now);
      const fd = this.#fileOf(writer, writer.path);
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new MohoError("unavailable", `"${stream}" could not be written: ${why}.`, { cause });
    }
  }

  /** Opens the writer's file. When too many are open, the one used longest ago is closed; its stream stays claimed. */
  #fileOf(writer: Writer, path: string): number {
    this.#recent.delete(writer);
    this.#recent.add(writer);
    writer.fd ??= openSync(path, "a+", 0o600);
    const [oldest] = this.#recent;
    if (this.#recent.size > MAX_OPEN_FILES && oldest?.fd !== undefined) {
      closeSync(oldest.fd);
      oldest.fd = undefined;
      this.#recent.delete(oldest);
    }
    return writer.fd;
  }

  #newPath(stream: string, now: number): string {
    const day = new Date(now).toISOString().slice(0, 10).split("-");
    const path = join(this.#folder, ...day, fileName(stream) + EXTENSION);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return path;
  }

  #find(stream: string): string | undefined {
    const known = this.#writers.get(stream)?.path;
    if (known !== undefined) return known;
    const name = fileName(stream) + EXTENSION;
    for (const day of this.#days()) {
      const path = join(day, name);
      if (existsSync(path)) return path;
    }
    return undefined;
  }

  *#files(prefix: string): Generator<{ stream: string; path: string }> {
    for (const day of this.#days()) {
      for (const file of readdirSync(day)) {
        const stream = file.slice(0, -EXTENSION.length).replaceAll("~", "/");
        if (file.endsWith(EXTENSION) && stream.startsWith(prefix)) yield { stream, path: join(day, file) };
      }
    }
  }

  /** The folders of days, newest first. */
  *#days(): Generator<string> {
    if (!existsSync(this.#folder)) return;
    for (const year of numbered(this.#folder, 4)) {
      for (const month of numbered(year, 2)) yield* numbered(month, 2);
    }
  }
}

function numbered(folder: string, digits: number): string[] {
  return readdirSync(folder)
    .filter((name) => name.length === digits && /^\d+$/.test(name))
    .sort()
    .reverse()
    .map((name) => join(folder, name));
}

function fileName(stream: string): string {
  return stream.replaceAll("/", "~");
}

function withFile<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, "r");
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
