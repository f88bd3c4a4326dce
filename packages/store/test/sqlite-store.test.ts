import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openStore, verifyStream } from "@moho/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GroupCommit } from "../src/sqlite/group-commit.ts";
import { run } from "./processes.ts";

const AT = Date.UTC(2026, 2, 10, 12);
const ask = (id: string, amount: number) => ({ id, scopes: ["org"], amount, at: AT, leaseUntil: AT + 1000 });

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "moho-sqlite-"));
  path = join(folder, "data", "store.db");
});
afterEach(() => rmSync(folder, { recursive: true }));
const open = () => openStore(`sqlite:${path}`);

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Changes the database behind the store's back. */
function tamper(...statements: string[]): void {
  const database = new DatabaseSync(path);
  for (const sql of statements) database.exec(sql);
  database.close();
}

/** Transactions in the write-ahead log: frames that carry a database size end one (sqlite.org/fileformat2.html#walformat). */
function commits(): number {
  const wal = readFileSync(`${path}-wal`);
  const frame = 24 + wal.readUInt32BE(8);
  let count = 0;
  for (let at = 32; at + frame <= wal.length; at += frame) if (wal.readUInt32BE(at + 4) > 0) count++;
  return count;
}

describe("opening", () => {
  test("makes files for their owner only", async () => {
    const store = await open();
    await store.log.append("a", ["1"]);
    expect(statSync(join(folder, "data")).mode & 0o777).toBe(0o700);
    for (const suffix of ["", "-wal", "-shm"]) expect(statSync(path + suffix).mode & 0o777).toBe(0o600);
    await store.close();
    await store.close();
  });

  test("takes a database again, with three slashes or one", async () => {
    await (await open()).close();
    for (const url of [`sqlite:${path}`, `sqlite://${path}`]) await (await openStore(url)).close();
  });

  test("refuses a database that a newer Moho has changed", async () => {
    await (await open()).close();
    tamper("INSERT INTO migration VALUES (99, 'from the future', 0)");
    const message = expect.stringMatching(/newer Moho: it is at step 99/);
    await expect(open()).rejects.toMatchObject({ code: "invalid_config", message });
  });

  test("refuses what is not Moho's, and leaves it alone", async () => {
    await (await open()).close();
    const foreign = join(folder, "foreign.db");
    const database = new DatabaseSync(foreign);
    database.exec("CREATE TABLE theirs (x)");
    database.close();
    await expect(openStore(`sqlite:${foreign}`)).rejects.toMatchObject({ code: "invalid_config" });
    const text = join(folder, "notes.txt");
    writeFileSync(text, "these are notes, and quite a few of them; no database at all\n".repeat(100));
    const before = readFileSync(text);
    await expect(openStore(`sqlite:${text}`)).rejects.toMatchObject({ code: "invalid_config" });
    expect(readFileSync(text)).toEqual(before);
    for (const url of [`sqlite:${folder}`, `sqlite:${text}/store.db`]) {
      await expect(openStore(url)).rejects.toMatchObject({ code: "invalid_config" });
    }
  });

  test("refuses addresses it does not know, and does not repeat them", async () => {
    for (const url of [
      "postgres://user:hunter2@host/db",
      "sqlite:",
      "memory:x",
      "",
      "store.db",
      "sqlite:a\0b",
    ]) {
      await expect(openStore(url)).rejects.toMatchObject({
        code: "invalid_config",
        message: expect.not.stringContaining("hunter2"),
      });
    }
  });

  test("does not load SQLite for a store in memory", () => {
    const script = `
      import { openStore, openFileLog } from "@moho/store";
      openFileLog("/nowhere");
      await openStore("memory:");
      process.stdout.write(String(process.moduleLoadList.includes("NativeModule sqlite")));`;
    const options = { cwd: import.meta.dirname, encoding: "utf8" } as const;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], options);
    expect(stdout).toBe("false");
  });

  test("a new database by many processes at once makes one", async () => {
    const children = Array.from({ length: 4 }, (_, index) => run("spend.ts", path, String(index), "4", "0"));
    expect(await Promise.all(children.map(({ ended }) => ended))).toEqual([0, 0, 0, 0]);
    const store = await open();
    expect((await store.ledger.spent("org", 0)).calls).toBe(16);
    expect((await verifyStream(store.log, "audit")).ok).toBe(true);
    await store.close();
  });
});

describe("group commit", () => {
  test("puts what is asked for together into one transaction", async () => {
    const store = await open();
    await store.ledger.reserve(ask("1", 10));
    const before = commits();
    await Promise.all([
      store.ledger.settle("1", { amount: 5, usage: undefined, quality: "final" }),
      store.log.append("audit", ["1"]),
      ...Array.from({ length: 30 }, (_, index) => store.ledger.reserve(ask(`r${index}`, 1))),
    ]);
    expect(commits() - before).toBe(1);
    await store.close();
  });

  test("one that fails leaves nothing behind and spoils nothing", async () => {
    const store = await open();
    await store.documents.put("key", "k", 1);
    const before = commits();
    const results = await Promise.allSettled([
      store.log.append("audit", ["1"]),
      store.ledger.settle("unknown", { amount: 5, usage: undefined, quality: "final" }),
      store.ledger.reserve(ask("1", 10)),
      store.documents.put("key", "k", 2, 7),
      store.log.append("audit", ["2"]),
    ]);
    expect(results.map(({ status }) => status[0])).toEqual(["f", "r", "f", "r", "f"]);
    expect(commits() - before).toBe(1);
    expect(await store.documents.get("key", "k")).toEqual({ value: 1, version: 1 });
    expect((await verifyStream(store.log, "audit")).records).toBe(2);
    await store.close();
  });

  test("undoes what an operation had written when it throws", async () => {
    const database = new DatabaseSync(":memory:");
    database.exec("CREATE TABLE t (x UNIQUE)");
    const commit = new GroupCommit(database);
    const add = (x: number) => database.prepare("INSERT INTO t VALUES (?)").run(x);
    const results = await Promise.allSettled([
      commit.write(() => add(1)),
      commit.write(() => [add(2), add(1)]),
      commit.write(() => add(3)),
    ]);
    expect(results.map(({ status }) => status[0])).toEqual(["f", "r", "f"]);
    expect(results[1]).toMatchObject({ reason: { code: "unavailable" } });
    expect(
      database
        .prepare("SELECT x FROM t ORDER BY x")
        .all()
        .map(({ x }) => x),
    ).toEqual([1, 3]);
    commit.close();
  });

  test("a full disk fails those it hit, truthfully, and the store goes on", async () => {
    const database = new DatabaseSync(join(folder, "full.db"));
    database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x); PRAGMA max_page_count = 20");
    const commit = new GroupCommit(database);
    const insert = database.prepare("INSERT INTO t VALUES (zeroblob(3000))");
    const attempts = Array.from({ length: 40 }, () => commit.write(() => insert.run()));
    const results = await Promise.allSettled(attempts);
    const failure = { code: "unavailable", retryable: true, message: expect.stringContaining("full") };
    const kept = results.filter(({ status }) => status === "fulfilled").length;
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject(failure);
    }
    const count = () => database.prepare("SELECT count(*) AS n FROM t").get()?.["n"];
    expect(kept).toBeLessThan(40);
    expect(count()).toBe(kept);
    database.exec("PRAGMA max_page_count = 1000");
    await commit.write(() => insert.run());
    expect(count()).toBe(kept + 1);
    commit.close();
  });

  test("closing commits what was asked for, and refuses the rest", async () => {
    const store = await open();
    const appends = Array.from({ length: 1000 }, (_, index) => store.log.append("a", [String(index)]));
    await store.close();
    expect((await Promise.all(appends)).length).toBe(1000);
    for (const late of [
      () => store.log.append("a", ["1"]),
      () => store.log.last("a"),
      () => store.ledger.reserve(ask("1", 1)),
      () => store.documents.get("a", "b"),
    ]) {
      await expect(late()).rejects.toMatchObject({ code: "unavailable" });
    }
    const again = await open();
    expect((await again.log.last("a"))?.seq).toBe(1000);
    await again.close();
  });
});

describe("tampering with the log", () => {
  const cases: [name: string, sql: string, brokenAt: number][] = [
    ["a changed body", "UPDATE log_record SET body = '{\"forged\":1}' WHERE seq = 100", 100],
    ["a changed time", "UPDATE log_record SET at = at - 1 WHERE seq = 1", 1],
    ["a removed record", "DELETE FROM log_record WHERE seq = 70", 70],
    ["a removed beginning", "DELETE FROM log_record WHERE seq <= 3", 1],
    ["swapped bodies", "UPDATE log_record SET body = 201 - body WHERE seq IN (100, 101)", 100],
  ];
  test.each(cases)("%s is found", async (_, sql, brokenAt) => {
    const store = await open();
    await store.log.append(
      "a",
      Array.from({ length: 200 }, (_, index) => String(index + 1)),
    );
    tamper(sql);
    expect(await verifyStream(store.log, "a")).toMatchObject({ ok: false, brokenAt, records: brokenAt - 1 });
    await expect(collect(store.log.read("a", { after: brokenAt - 1 }))).rejects.toMatchObject({
      code: "log_corrupt",
      details: { stream: "a", seq: brokenAt },
    });
    await store.close();
  });

  test("a removed record is missed also when reading starts behind it", async () => {
    const store = await open();
    await store.log.append("a", ["1", "2", "3"]);
    tamper("DELETE FROM log_record WHERE seq = 2");
    await expect(collect(store.log.read("a", { after: 2 }))).rejects.toMatchObject({ details: { seq: 2 } });
    await store.close();
  });
});

describe("many processes on one database", () => {
  test("kill -9 in the middle of appends loses nothing that was promised", async () => {
    const child = run("append-sqlite.ts", path);
    await child.printed(300);
    await child.kill();
    const store = await open();
    for (const stream of ["s0", "s1", "s2"]) {
      const records = await collect(store.log.read(stream));
      for (const line of child.lines.filter((line) => line.startsWith(stream))) {
        const [, seq, hash] = line.split(" ");
        expect(records[Number(seq) - 1]?.hash).toBe(hash);
      }
      await store.log.append(stream, ["1"]);
      expect((await verifyStream(store.log, stream)).ok).toBe(true);
    }
    await store.close();
  });

  test("three spend from one budget, one is killed: no overshoot, and nothing sticks", async () => {
    const LIMIT = 12_000;
    const store = await open();
    await store.ledger.putBudget({ scope: "org", limit: LIMIT, period: "total" });
    const children = ["a", "b", "c"].map((name) => run("spend.ts", path, name, "400", "60000"));
    const [victim, ...others] = children as [(typeof children)[0], ...typeof children];
    let done = false;
    const watch = (async () => {
      for (let looks = 0; ; looks++) {
        const [budget] = await store.ledger.budgets(AT, ["org"]);
        expect(budget!.settled + budget!.reserved).toBeLessThanOrEqual(LIMIT);
        if (done) return looks;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    try {
      await victim.printed(60);
      await victim.kill();
      expect(await Promise.all(others.map(({ ended }) => ended))).toEqual([0, 0]);
    } finally {
      done = true;
    }
    expect(await watch).toBeGreaterThan(1);

    const lines = children.flatMap((child) => child.lines);
    expect(lines.some((line) => line.endsWith("refused"))).toBe(true);
    const [before] = await store.ledger.budgets(AT, ["org"]);
    expect(before!.reserved).toBeGreaterThan(0);
    await store.ledger.expire(Date.now() + 3_600_000);
    const [after] = await store.ledger.budgets(AT, ["org"]);
    expect(after).toMatchObject({ reserved: 0, settled: before!.settled + before!.reserved });
    expect(after).not.toHaveProperty("overrun");
    const keys = await Promise.all(["a", "b", "c"].map((name) => store.ledger.spent(`key/${name}`, 0)));
    expect(keys.reduce((sum, { amount }) => sum + amount, 0)).toBe(after!.settled);
    // What was granted was recorded: every line that a child printed is a reservation that counted.
    const granted = lines.filter((line) => !line.endsWith("refused")).length;
    expect(keys.reduce((sum, { calls }) => sum + calls, 0)).toBeGreaterThanOrEqual(granted);
    expect((await verifyStream(store.log, "audit")).ok).toBe(true);
    await store.close();
  });
});
