/** `moho admin`: what is not there cannot be changed, and everything that is there can be seen. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { withTempHome } from "@moho/testkit";
import { expect, test } from "vitest";
import { moho } from "./harness.ts";

const POLICY = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: "bedrock-mantle:*", Resource: "*" }],
};

/** Runs verbs on a fresh gateway file in `home`. */
function administered(home: string) {
  writeFileSync(
    join(home, "gateway.toml"),
    `[gateway]\ndatabase_url = "sqlite:gateway.db"\naccount = "123456789012"\nregion = "us-east-1"\nprojects = ["proj_pay"]\n`,
  );
  writeFileSync(join(home, "policy.json"), JSON.stringify(POLICY));
  const admin = (...words: string[]) => moho(["admin", ...words, "--config", "gateway.toml"], { cwd: home });
  const done = async (...words: string[]) => {
    const ended = await admin(...words);
    expect(ended, `${words.join(" ")}\n${ended.stderr}`).toMatchObject({ code: 0 });
    return ended.stdout;
  };
  const refused = async (code: number, why: string, ...words: string[]) => {
    const ended = await admin(...words);
    expect(ended, words.join(" ")).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(why) });
  };
  return { done, refused };
}

test("refuses what would do nothing", async () => {
  await withTempHome(async (home) => {
    const { done, refused } = administered(home.path);
    await done("user", "create", "alice");
    await done("policy", "put", "coders", "policy.json");
    await refused(1, 'There is a user "alice" already.', "user", "create", "alice");
    await refused(1, 'The policy "coders" is not attached to alice.', "policy", "detach", "alice", "coders");
    await refused(1, 'There is no principal "bob"', "policy", "detach", "bob", "coders");
    await refused(1, 'There is no policy "nope".', "policy", "show", "nope");
    const budget = ["--limit", "20", "--period", "daily"];
    await refused(1, 'There is no key "NOPE".', "budget", "put", "key/NOPE", ...budget);
    await refused(1, 'There is no user "bob".', "budget", "put", "principal/bob", ...budget);
    const arn = "arn:aws:iam::123456789012:user/bob";
    await refused(1, `There is no principal "${arn}".`, "budget", "put", `principal/${arn}`, ...budget);
    await refused(1, 'There is no project "other".', "budget", "put", "project/other", ...budget);
    await refused(2, '"everybody" is no scope.', "budget", "put", "everybody", ...budget);
    await refused(1, "has no budget", "budget", "remove", "organization");
    for (const limit of [["--limit", "-1"], ["--limit=-1"]])
      await refused(2, "--limit", "budget", "put", "organization", ...limit, "--period", "daily");
  });
}, 60_000);

test("list shows ends of keys, owners of budgets and policies that nobody has", async () => {
  await withTempHome(async (home) => {
    const { done } = administered(home.path);
    await done("user", "create", "alice");
    await done("policy", "put", "coders", "policy.json");
    await done("policy", "put", "spare", "policy.json");
    await done("policy", "attach", "alice", "coders");
    await done("api-key", "create", "alice", "--days", "0.000000001");
    await done("api-key", "create", "alice", "--days", "30");
    const budget = ["--limit", "20", "--period", "daily", "--owner", "the platform team"];
    for (const scope of ["organization", "project/proj_pay", "project/default", "principal/alice"])
      await done("budget", "put", scope, ...budget);
    const listed = await done("list");
    expect(listed).toMatch(/ {2}api-key ACCA\w+ \(EXPIRED 2\S+Z\)/);
    expect(listed).toMatch(/ {2}api-key ACCA\w+ \(expires 2\S+Z\)/);
    expect(listed).toContain("policy spare: attached to nobody");
    expect(listed).toMatch(/budget organization: .* daily, owner the platform team/);
    expect(await done("policy", "list")).toBe("coders  attached to alice\nspare  attached to nobody\n");
    expect(JSON.parse(await done("policy", "show", "coders"))).toMatchObject({ Version: "2012-10-17" });
    await done("policy", "detach", "alice", "coders");
    await done("budget", "remove", "principal/alice");
    expect(await done("list")).not.toContain("budget principal");
    const help = (await moho(["admin", "--help"])).stdout;
    expect(help).toMatch(/organization .*project\/ID, principal\/NAME .*key\/ID/);
  });
}, 60_000);
