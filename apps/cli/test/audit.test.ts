/** `moho audit`: what it refuses to make, what a chain shows, and what only a noted head can show. */

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { says, startScriptedModel, withTempHome } from "@moho/testkit";
import { describe, expect, test } from "vitest";
import { gateway, moho } from "./harness.ts";

/** A gateway that answered `calls` requests and stopped; resolves to its database. */
async function recorded(home: string, calls: number): Promise<string> {
  const model = await startScriptedModel(() => ({ items: [says("Hello.")] }));
  const database = join(home, "gateway.db");
  const served = await gateway(
    [
      "--dev",
      "--listen",
      "127.0.0.1:0",
      "--upstream",
      `openai-compatible=${model.url}/v1`,
      "--database",
      database,
    ],
    { env: { HOME: home, MOHO_DEV_API_KEY: "test-key-of-dev" } },
  );
  for (let i = 0; i < calls; i++) {
    const answer = await fetch(`${served.url}/v1/responses`, {
      method: "POST",
      headers: { authorization: "Bearer test-key-of-dev", "content-type": "application/json" },
      body: JSON.stringify({ model: "m", input: "hi", max_output_tokens: 16 }),
    });
    expect(answer.status, await answer.text()).toBe(200);
  }
  served.child.kill("SIGTERM");
  await served.ended;
  await model.close();
  return database;
}

const gatewayFile = (url: string) =>
  `[gateway]\ndatabase_url = "${url}"\naccount = "123456789012"\nregion = "us-east-1"\n`;

test("a database that is not there is a mistake, and is not made", async () => {
  await withTempHome(async (home) => {
    const file = join(home.path, "gateway.toml");
    writeFileSync(file, gatewayFile("sqlite:typo/gateway.db"));
    for (const verb of ["verify", "list"]) {
      const named = await moho(["audit", verb, "--database", "typo.db"], { cwd: home.path });
      expect(named).toMatchObject({ code: 2, stdout: "" });
      expect(named.stderr).toMatch(/There is no database .*typo\.db\.\n {2}code: invalid_request/);
      const configured = await moho(["audit", verb, "--config", file], { cwd: home.path });
      expect(configured).toMatchObject({ code: 2, stdout: "" });
      expect(configured.stderr).toMatch(
        /There is no database .*\n {2}code: invalid_config\n {2}next: .*database_url/,
      );
    }
    expect(existsSync(join(home.path, "typo.db"))).toBe(false);
    expect(existsSync(join(home.path, "typo"))).toBe(false);
    writeFileSync(join(home.path, "empty.db"), "");
    expect((await moho(["audit", "verify", "--database", "empty.db"], { cwd: home.path })).code).toBe(2);
  });
});

test("a store without a record says so", async () => {
  await withTempHome(async (home) => {
    const database = await recorded(home.path, 0);
    for (const verb of ["verify", "list"]) {
      const ended = await moho(["audit", verb, "--database", database]);
      expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining("no audit records") });
    }
    const hash = "0".repeat(64);
    expect((await moho(["audit", "verify", "--database", database, "--expect-hash", hash])).code).toBe(1);
  });
});

describe("verify", () => {
  test("a noted head shows that the end was cut off or written anew; a grown chain still fits", async () => {
    await withTempHome(async (home) => {
      const database = await recorded(home.path, 3);
      const verify = (...words: string[]) => moho(["audit", "verify", "--database", database, ...words]);
      const before = await verify();
      const head = /--expect-records (\d+) --expect-hash ([0-9a-f]{64})/.exec(before.stdout);
      expect(head?.[1], before.stdout + before.stderr).toBe("3");
      const noted = ["--expect-records", "3", "--expect-hash", head![2]!];
      expect(await verify(...noted)).toMatchObject({ code: 0, stdout: expect.stringContaining("expected") });
      expect((await verify("--expect-hash", head![2]!.toUpperCase())).code).toBe(0);
      const second = JSON.parse((await verify("--json", "--expect-records", "4")).stdout);
      expect(second).toMatchObject({ ok: false, brokenAt: 4 });
      expect((await verify("--expect-records", "2", "--expect-hash", head![2]!)).code).toBe(1);

      const store = new DatabaseSync(database);
      const { hash } = store.prepare("SELECT hash FROM log_record WHERE seq = 2").get() as {
        hash: string;
      };
      expect((await verify("--expect-records", "2", "--expect-hash", hash)).code).toBe(0);
      store.exec("DELETE FROM log_record WHERE seq = 3");
      store.close();
      expect(await verify()).toMatchObject({ code: 0, stdout: expect.stringContaining("2 records") });
      const cut = await verify(...noted);
      expect(cut).toMatchObject({ code: 1, stdout: expect.stringContaining("cut off") });
      expect((await verify("--expect-hash", head![2]!)).code).toBe(1);
      expect((await verify("--expect-hash", "abc")).code).toBe(2);
      expect((await verify("--expect-records", "1.5")).code).toBe(2);
    });
  }, 30_000);
});

test("list shows request and address, and finds one request or one user", async () => {
  await withTempHome(async (home) => {
    const database = await recorded(home.path, 2);
    const list = async (...words: string[]) =>
      (await moho(["audit", "list", "--database", database, ...words])).stdout.trim().split("\n");
    const all = await list();
    expect(all).toHaveLength(2);
    const id = /127\.0\.0\.1 {2}(\S+)$/.exec(all[1]!)?.[1];
    expect(id).toBeTruthy();
    expect(await list("--request", id!)).toEqual([all[1]]);
    expect(await list("--user", "dev-admin", "--limit", "1")).toEqual([all[1]]);
    expect(await list("--user", "nobody")).toEqual(["no audit record fits"]);
    for (const limit of [["--limit", "-1"], ["--limit=-1"], ["--limit", "0"], ["--limit", "x"]]) {
      const refused = await moho(["audit", "list", "--database", database, ...limit]);
      expect(refused).toMatchObject({ code: 2, stdout: "" });
      expect(refused.stderr).toContain("--limit");
    }
  });
}, 30_000);
