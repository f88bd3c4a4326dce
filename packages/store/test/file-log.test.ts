import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openFileLog, type TornRecord, verifyStream } from "@moho/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "./processes.ts";

const NOW = Date.UTC(2026, 2, 10, 12);
const now = () => NOW;
const onLinux = process.platform === "linux";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "moho-files-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (stream: string) => join(folder, "2026", "03", "10", `${stream}.jsonl`);
const lockFile = (stream: string) => join(folder, ".locks", `${stream}.lock`);

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Writes `bodies` to the stream `s` and lets go of it. */
async function written(bodies: string[]): Promise<Buffer> {
  const log = openFileLog(folder, { now });
  await log.append("s", bodies);
  await log.close();
  return readFileSync(file("s"));
}

const BODIES = ['{"type":"thread"}', '{"text":"é漢😀"}', "[1,2,3]", '{"text":"a \\n b"}'];

describe("the file", () => {
  test("has a line of JSON for each record, for its owner only", async () => {
    const lines = (await written(BODIES)).toString().trimEnd().split("\n");
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.map((record) => Object.keys(record))).toEqual(
      BODIES.map(() => ["seq", "at", "hash", "body"]),
    );
    expect(records.map(({ body }) => body)).toEqual(BODIES.map((body) => JSON.parse(body)));
    expect(records[0]).toMatchObject({ seq: 1, at: "2026-03-10T12:00:00.000Z" });
    expect(statSync(file("s")).mode & 0o777).toBe(0o600);
    for (const path of [join(folder, "2026"), dirname(file("s")), dirname(lockFile("s"))]) {
      expect(statSync(path).mode & 0o777).toBe(0o700);
    }
  });

  test("stays where the stream began when days go by", async () => {
    await written(["1"]);
    const later = openFileLog(folder, { now: () => NOW + 400 * 86_400_000 });
    await later.append("s", ["2"]);
    await later.append("t/u", ["1"]);
    expect(globSync("*/*/*/*", { cwd: folder }).sort()).toEqual([
      "2026/03/10/s.jsonl",
      "2027/04/14/t~u.jsonl",
    ]);
    expect((await later.streams()).map(({ stream }) => stream).sort()).toEqual(["s", "t/u"]);
    await later.close();
  });

  test("is created nowhere else, whatever the stream is called", async () => {
    const inside = join(folder, "inside");
    const log = openFileLog(inside, { now });
    for (const name of [
      "../evil",
      "a/../../evil",
      "/tmp/evil",
      "..",
      "a/..",
      ".locks/x",
      "a\\..\\evil",
      "a~b",
    ]) {
      await expect(log.append(name, ["1"])).rejects.toMatchObject({ code: "invalid_request" });
    }
    await log.close();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("after a crash", () => {
  test("a file cut at any byte opens, loses at most the torn record, and goes on", async () => {
    const whole = await written(BODIES);
    for (let size = 0; size <= whole.length; size++) {
      writeFileSync(file("s"), whole.subarray(0, size));
      const complete = whole.subarray(0, size).toString("latin1").split("\n").length - 1;
      const rest = size - (whole.lastIndexOf(10, size - 1) + 1) * (size > 0 ? 1 : 0);
      const torn: TornRecord[] = [];
      const log = openFileLog(folder, { now, onTorn: (record) => torn.push(record) });

      const read = await collect(log.read("s"));
      expect(read.map(({ body }) => body)).toEqual(BODIES.slice(0, complete));
      expect((await log.last("s"))?.seq).toBe(complete || undefined);
      expect((await log.streams())[0]?.records).toBe(complete || undefined);

      expect((await log.append("s", ["true"]))[0]?.seq).toBe(complete + 1);
      expect(torn).toEqual(rest > 0 ? [{ stream: "s", seq: complete + 1, bytes: rest }] : []);
      expect(await verifyStream(log, "s")).toMatchObject({ ok: true, records: complete + 1 });
      await log.close();
    }
  });

  test("a changed byte anywhere is found, and its record named", async () => {
    const whole = await written(BODIES);
    let line = 1;
    for (let index = 0; index < whole.length - 1; index++) {
      const changed = Buffer.from(whole);
      changed[index]! ^= 1;
      writeFileSync(file("s"), changed);
      const log = openFileLog(folder, { now });
      await expect(collect(log.read("s"))).rejects.toMatchObject({
        code: "log_corrupt",
        details: { seq: line },
      });
      expect(await verifyStream(log, "s")).toMatchObject({ ok: false, records: line - 1, brokenAt: line });
      if (line === BODIES.length) {
        await expect(log.append("s", ["1"])).rejects.toMatchObject({
          code: "log_corrupt",
          details: { seq: line },
        });
        await expect(log.last("s")).rejects.toMatchObject({ code: "log_corrupt" });
      }
      await log.close();
      if (whole[index] === 10) line++;
    }
  });

  test("records that were removed, repeated, swapped or forged are found", async () => {
    const lines = (await written(BODIES)).toString().trimEnd().split("\n");
    const [a, b, c, d] = lines as [string, string, string, string];
    const forged = b.replace("漢", "汉");
    const cases: [string[], number][] = [
      [[b, c, d], 1],
      [[a, c, d], 2],
      [[a, a, b, c, d], 2],
      [[a, c, b, d], 2],
      [[a, forged, c, d], 2],
      [[a, "", b, c, d], 2],
      [[a, b, "{}", c, d], 3],
      [[a, b, `${c}${d}`], 3],
    ];
    for (const [damaged, brokenAt] of cases) {
      writeFileSync(file("s"), `${damaged.join("\n")}\n`);
      const log = openFileLog(folder, { now });
      expect(await verifyStream(log, "s")).toMatchObject({ ok: false, brokenAt });
      await log.close();
    }
  });

  test("zeros that a dying machine left at the end are torn, and a damaged stream is still listed", async () => {
    const whole = await written(BODIES);
    writeFileSync(file("s"), Buffer.concat([whole, Buffer.alloc(5000)]));
    const log = openFileLog(folder, { now });
    expect((await log.append("s", ["1"]))[0]?.seq).toBe(5);
    appendFileSync(file("s"), "garbage\n");
    expect(await log.streams()).toMatchObject([{ stream: "s", records: 0 }]);
    await log.close();
  });

  test("a file of nothing but a monstrous line is refused without being swallowed", async () => {
    await written(["1"]);
    for (let index = 0; index < 66; index++) appendFileSync(file("s"), Buffer.alloc(1024 * 1024, 120));
    appendFileSync(file("s"), "\n");
    const log = openFileLog(folder, { now });
    await expect(log.append("s", ["2"])).rejects.toMatchObject({ code: "log_corrupt", details: { seq: 2 } });
    await log.close();
  });

  test("kill -9 in the middle of appends loses nothing that was promised", async () => {
    for (let round = 0; round < 3; round++) {
      const child = run("append-files.ts", folder);
      await child.printed(200 * (round + 1));
      await child.kill();
      const log = openFileLog(folder);
      for (const stream of ["s0", "s1", "s2"]) {
        const promised = child.lines.filter((line) => line.startsWith(stream)).map((line) => line.split(" "));
        const records = await collect(log.read(stream));
        for (const [, seq, hash] of promised) expect(records[Number(seq) - 1]?.hash).toBe(hash);
        await log.append(stream, ['"after the crash"']);
        expect((await verifyStream(log, stream)).ok).toBe(true);
      }
      await log.close();
    }
  });

  test("a write that fails leaves a log that can go on", async () => {
    const log = openFileLog(folder, { now });
    await log.append("s", ["1"]);
    mkdirSync(file("t"), { recursive: true }); // opening it as a file fails
    await expect(log.append("t", ["1"])).rejects.toThrow();
    await log.append("s", ["2"]);
    rmSync(file("t"), { recursive: true });
    expect((await log.append("t", ["1"]))[0]?.seq).toBe(1);
    await log.close();
  });
});

describe.runIf(onLinux)("a full disk", () => {
  test("fails the append that it hit, and the next one goes on behind the last whole record", async () => {
    const script = new URL("./children/fill-disk.ts", import.meta.url).pathname;
    // Eight kilobytes a file: the third append is written in part.
    const shell = ["-c", 'ulimit -f 8; exec "$0" "$@"', process.execPath, script, folder];
    const { stdout } = spawnSync("bash", shell, { encoding: "utf8" });
    expect(stdout).toBe("1\n2\nunavailable\n3\n");
    const log = openFileLog(folder);
    expect(await verifyStream(log, "s")).toMatchObject({ ok: true, records: 3 });
  });
});

describe("one writer a stream", () => {
  const busy = { code: "thread_busy", message: expect.stringContaining(String(process.pid)) };

  test("a second one is refused until the first is closed; readers never are", async () => {
    const first = openFileLog(folder, { now });
    const second = openFileLog(folder, { now });
    await first.append("s", []);
    await expect(second.append("s", ["1"])).rejects.toMatchObject(busy);
    await first.append("s", ["1"]);
    await expect(second.append("s", [])).rejects.toMatchObject(busy);
    expect((await collect(second.read("s"))).length).toBe(1);
    await second.append("t", ["1"]);
    await first.close();
    expect((await second.append("s", ["2"]))[0]?.seq).toBe(2);
    await second.close();
    expect(readdirSync(join(folder, ".locks"))).toEqual([]);
  });

  test("a reader passes over what is just being written", async () => {
    const writer = openFileLog(folder, { now });
    await writer.append("s", ["1", "2"]);
    appendFileSync(file("s"), '{"seq":3,"at":"2026-03');
    const reader = openFileLog(folder, { now });
    expect((await collect(reader.read("s"))).length).toBe(2);
    expect((await reader.last("s"))?.seq).toBe(2);
    await writer.close();
  });

  test.runIf(onLinux)(
    "locks of the dead are taken over, those of the living and of other machines stand",
    async () => {
      const child = run("take-lock.ts", folder, file("never"));
      const dead = child.process.pid!;
      await child.kill();
      const me = { pid: process.pid, host: hostname() };
      const cases: [name: string, content: string, stands: boolean][] = [
        ["dead", JSON.stringify({ pid: dead, host: hostname(), start: "1" }), false],
        ["dead, no start", JSON.stringify({ pid: dead, host: hostname() }), false],
        ["id used again", JSON.stringify({ ...me, start: "1" }), false],
        ["alive, no start", JSON.stringify(me), true],
        ["another machine", JSON.stringify({ pid: dead, host: "elsewhere", start: "1" }), true],
      ];
      for (const [name, content, stands] of cases) {
        mkdirSync(dirname(lockFile("s")), { recursive: true });
        writeFileSync(lockFile("s"), content);
        const log = openFileLog(folder, { now });
        const attempt = log.append("s", ["1"]);
        if (stands) await expect(attempt, name).rejects.toMatchObject({ code: "thread_busy" });
        else await expect(attempt, name).resolves.toHaveLength(1);
        await log.close();
      }
    },
  );

  test("a lock without a name stands only as long as its maker may still write it", async () => {
    mkdirSync(dirname(lockFile("s")), { recursive: true });
    writeFileSync(lockFile("s"), "");
    const log = openFileLog(folder, { now });
    await expect(log.append("s", ["1"])).rejects.toMatchObject({ code: "thread_busy" });
    utimesSync(lockFile("s"), 1, 1);
    expect((await log.append("s", ["1"])).length).toBe(1);
    await log.close();
  });

  test("of many processes that find one dead holder, exactly one takes over", async () => {
    for (let round = 0; round < 3; round++) {
      mkdirSync(dirname(lockFile("s")), { recursive: true });
      writeFileSync(lockFile("s"), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), start: "1" }));
      const signal = join(folder, `go${round}`);
      const children = Array.from({ length: 4 }, () => run("take-lock.ts", folder, signal));
      await Promise.all(children.map((child) => child.printed(1)));
      writeFileSync(signal, "");
      await Promise.all(children.map((child) => child.printed(2)));
      const answers = children.map(({ lines }) => lines[1]).sort();
      expect(answers).toEqual(["thread_busy", "thread_busy", "thread_busy", "won"]);
      await Promise.all(children.map((child) => child.kill()));
      const log = openFileLog(folder);
      expect(await verifyStream(log, "s")).toMatchObject({ ok: true, records: round + 1 });
      await log.close();
    }
  });
});

describe.runIf(onLinux)("long histories", () => {
  const bytesRead = () => Number(/rchar: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);

  test("listing, the last record and reading near the end touch only the ends of files", async () => {
    const log = openFileLog(folder, { now });
    const body = JSON.stringify("x".repeat(20_000));
    for (let index = 0; index < 20; index++) await log.append("s", Array(50).fill(body));
    await log.append("t", [JSON.stringify("y".repeat(3_000_000))]);
    const size = statSync(file("s")).size;
    expect(size).toBeGreaterThan(20_000_000);

    const before = bytesRead();
    expect(await log.streams()).toHaveLength(2);
    expect((await log.last("s"))?.seq).toBe(1000);
    expect((await collect(log.read("s", { after: 995 }))).map(({ seq }) => seq)).toEqual([
      996, 997, 998, 999, 1000,
    ]);
    expect((await collect(log.read("s", { after: 500, limit: 1 }))).map(({ seq }) => seq)).toEqual([501]);
    expect((await collect(log.read("s", { limit: 1 }))).length).toBe(1);
    const read = bytesRead() - before - 3_000_000; // to find where the long line begins, it is read once
    expect(read).toBeLessThan(size / 5);

    // The first record that is read is verified too, wherever reading starts.
    const whole = readFileSync(file("s"));
    for (const seq of [2, 251, 501, 502, 503, 504, 751, 998, 1000]) {
      const start = whole.indexOf(`{"seq":${seq},`);
      const damaged = Buffer.from(whole);
      damaged[start + 500] = 121;
      writeFileSync(file("s"), damaged);
      await expect(collect(log.read("s", { after: seq - 1 }))).rejects.toMatchObject({ details: { seq } });
    }
    await log.close();
  });

  test("many open streams do not need as many open files", async () => {
    const log = openFileLog(folder, { now });
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < 150; index++) await log.append(`s${index}`, ["1"]);
    }
    expect(readdirSync("/proc/self/fd").length).toBeLessThan(120);
    expect(await log.streams("s", 10)).toHaveLength(10);
    expect(await verifyStream(log, "s0")).toMatchObject({ ok: true, records: 2 });
    await log.close();
  });
});
