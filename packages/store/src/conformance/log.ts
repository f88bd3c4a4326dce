/** What every log promises. */

import assert from "node:assert/strict";
import { verifyChain } from "../chain.ts";
import { verifyStream } from "../log/verify.ts";
import type { Log } from "../ports.ts";
import {
  type Cases,
  collect,
  type DeclareTest,
  declareCases,
  NOON,
  type OpenInstance,
  refuses,
} from "./harness.ts";

/** Names that must never become a path, and some that would only be ambiguous. */
const BAD_NAMES = [
  "",
  ".",
  "..",
  "../escape",
  "a/../../escape",
  "/etc/passwd",
  "a//b",
  "a/",
  "a/.hidden",
  "-rf",
  "a\\..\\b",
  "C:evil",
  "a\0b",
  "a\nb",
  "a b",
  "a~b",
  "%2e%2e%2f",
  "A",
  "ä",
  "'; DROP TABLE log_record; --",
  "a".repeat(201),
];

/** Bodies that a careless store changes or chokes on. */
const ODD_BODIES = [
  '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
  '{ "spaced" :\t1 , "e":1e400 }',
  '{"seq":9,"at":"2000-01-01T00:00:00.000Z","hash":"00","body":1}}',
  '"\u2028\u2029 \ufeff é 漢 😀 \\n \\ud800"',
  "null",
  `"${"x".repeat(200_000)}"`,
];

const CASES: Cases<Log> = {
  async "numbers records from 1, keeps their bodies exactly, and chains them"(log) {
    const appended = [...(await log.append("a", ODD_BODIES)), ...(await log.append("a", ["1"]))];
    const records = await collect(log.read("a"));
    assert.deepEqual(records, appended);
    assert.deepEqual(
      records.map(({ body }) => body),
      [...ODD_BODIES, "1"],
    );
    assert.deepEqual(
      records.map(({ seq }) => seq),
      [1, 2, 3, 4, 5, 6, 7],
    );
    assert.equal(records[0]?.at, "2026-03-10T12:00:00.000Z");
    assert.deepEqual(await verifyChain(records), { ok: true, records: 7, hash: records[6]?.hash });
    assert.deepEqual(await verifyStream(log, "a"), { ok: true, records: 7, hash: records[6]?.hash });
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  },

  async "reads from any place, as far as asked"(log) {
    const bodies = Array.from({ length: 300 }, (_, index) => String(index + 1));
    await log.append("a", bodies);
    for (const after of [0, 1, 63, 64, 65, 127, 128, 250, 299, 300, 301]) {
      for (const limit of [undefined, 0, 1, 64, 65]) {
        const read = await collect(log.read("a", { after, ...(limit !== undefined && { limit }) }));
        const expected = bodies.slice(after, limit === undefined ? undefined : after + limit);
        assert.deepEqual(
          read.map(({ body }) => body),
          expected,
          `after ${after}, limit ${limit}`,
        );
      }
    }
    for (const after of [-1, 0.5, Number.NaN]) {
      await refuses("invalid_request", () => collect(log.read("a", { after })));
      await refuses("invalid_request", () => collect(log.read("a", { limit: after })));
    }
  },

  async "knows the last record, and nothing of streams that are not there"(log) {
    assert.equal(await log.last("a"), undefined);
    assert.deepEqual(await collect(log.read("a")), []);
    assert.deepEqual(await log.append("a", []), []);
    assert.deepEqual(await log.streams(), []);
    const [, second] = await log.append("a", ["1", "2"]);
    assert.deepEqual(await log.last("a"), second);
    assert.equal(await log.last("b"), undefined);
  },

  async "lists streams, the most recently appended first"(log, { clock }) {
    for (const stream of ["s/one", "s/two", "other", "s/one"]) {
      clock.now += 1000;
      await log.append(stream, ["1"]);
    }
    const names = async (prefix?: string, limit?: number) =>
      (await log.streams(prefix, limit)).map(({ stream, records }) => `${stream} ${records}`);
    assert.deepEqual(await names(), ["s/one 2", "other 1", "s/two 1"]);
    assert.deepEqual(await names("s/"), ["s/one 2", "s/two 1"]);
    assert.deepEqual(await names("s/", 1), ["s/one 2"]);
    assert.deepEqual(await names("s%"), []);
    assert.deepEqual(await names("../"), []);
    assert.equal((await log.streams())[0]?.at, new Date(clock.now).toISOString());
  },

  async "keeps the order of concurrent appends"(log) {
    const appends = Array.from({ length: 400 }, (_, index) =>
      log.append(`s${index % 3}`, [String(index), String(index + 0.5)]),
    );
    await Promise.all(appends);
    for (const remainder of [0, 1, 2]) {
      const bodies = (await collect(log.read(`s${remainder}`))).map(({ body }) => Number(body));
      assert.deepEqual(
        bodies,
        [...bodies].sort((a, b) => a - b),
      );
    }
    assert.equal((await log.last("s0"))?.seq, 268);
  },

  async "records the time as it was, also when the clock goes backwards"(log, { clock }) {
    clock.now = NOON;
    await log.append("a", ["1"]);
    clock.now = NOON - 1;
    await log.append("a", ["2"]);
    const records = await collect(log.read("a"));
    assert.deepEqual(
      records.map(({ at }) => at),
      ["2026-03-10T12:00:00.000Z", "2026-03-10T11:59:59.999Z"],
    );
    assert.equal((await verifyStream(log, "a")).ok, true);
  },

  async "refuses names that could be anything but a name"(log) {
    for (const name of BAD_NAMES) {
      await refuses("invalid_request", () => log.append(name, ["1"]));
      await refuses("invalid_request", () => collect(log.read(name)));
      await refuses("invalid_request", () => log.last(name));
    }
    assert.deepEqual(await log.streams(), []);
  },

  async "refuses bodies that it could not give back, and stores nothing of their append"(log) {
    for (const body of ["", "1\n2", "1\r", '"\0"', '"\ud800"']) {
      await refuses("invalid_request", () => log.append("a", ["1", body]));
    }
    const half = `"${"x".repeat(33 * 1024 * 1024)}"`;
    await refuses("body_too_large", () => log.append("a", [half, half]));
    assert.equal(await log.last("a"), undefined);
  },

  async "keeps what was appended, and continues it"(log, { reopen }) {
    await log.append("a", ["1", "2"]);
    const again = reopen ? await reopen() : log;
    const [third] = await again.append("a", ["3"]);
    assert.equal(third?.seq, 3);
    assert.equal((await verifyStream(again, "a")).records, 3);
    if (again !== log) await refuses("unavailable", () => log.append("a", ["4"]));
  },
};

export function logConformance(declare: DeclareTest, open: OpenInstance<Log>): void {
  declareCases(declare, open, CASES);
}
