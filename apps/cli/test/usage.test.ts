/** The command line's own refusals: where they are told, and what they say to do next. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ERRORS } from "@moho/protocol";
import { refusingUrl, withTempHome } from "@moho/testkit";
import { describe, expect, test } from "vitest";
import { eventsOf, moho, workplace } from "./harness.ts";

describe("a bad flag", () => {
  test("under exec --json: one last event on stdout", async () => {
    for (const words of [
      ["exec", "--json", "--bogus", "hi"],
      ["exec", "--max-cost", "--json", "hi"],
    ]) {
      const ended = await moho(words);
      expect(ended, words.join(" ")).toMatchObject({ code: 2, stderr: "" });
      const events = eventsOf(ended);
      expect(events).toHaveLength(1);
      expect(events[0]).toMatchObject({
        type: "turn.failed",
        error: { code: "invalid_request", next: "See `moho exec --help`." },
      });
    }
  });

  test("elsewhere, and after `--`: words on stderr", async () => {
    for (const words of [
      ["exec", "--bogus", "hi"],
      ["exec", "--bogus", "--", "--json"],
      ["audit", "verify", "--json", "--bogus"],
    ]) {
      const ended = await moho(words);
      expect(ended, words.join(" ")).toMatchObject({ code: 2, stdout: "" });
      expect(ended.stderr).toContain("Unknown option '--bogus'.");
    }
  });
});

test("no credentials: auth status says so, and how to get some", async () => {
  await withTempHome(async (home) => {
    const machines: Record<string, string>[] = [
      { AWS_EC2_METADATA_DISABLED: "true" },
      { AWS_EC2_METADATA_SERVICE_ENDPOINT: await refusingUrl() },
    ];
    for (const metadata of machines) {
      const ended = await moho(["auth", "status"], { cwd: home.path, env: { HOME: home.path, ...metadata } });
      expect(ended.code, ended.stderr).toBe(3);
      expect(ended.stdout).toMatch(/^source +no AWS credentials found$/m);
      expect(ended.stdout).toMatch(/^next +.*aws sso login.*AWS_PROFILE.*AWS_BEARER_TOKEN_BEDROCK/m);
      expect(ended.stdout).toMatch(/^region +none found: set AWS_REGION/m);
      expect(ended.stdout).not.toContain("moho auth status");
    }
    const missing = await moho(["auth", "status"], {
      cwd: home.path,
      env: { HOME: home.path, AWS_PROFILE: "absent" },
    });
    expect(missing.code).toBe(3);
    expect(missing.stdout).toMatch(/^problem +.*no such profile/m);
    expect(missing.stdout).toMatch(/^next +.*aws sso login/m);
  });
});

test("apply-patch with a file's name says how a file is given, and then works", async () => {
  await withTempHome(async (home) => {
    const { repo, env } = workplace(home.path, "");
    const patch = "*** Begin Patch\n*** Add File: made.txt\n+made\n*** End Patch\n";
    writeFileSync(join(repo, "change.patch"), patch);
    const refused = await moho(["apply-patch", "change.patch"], { cwd: repo, env });
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("moho apply-patch - < change.patch");
    expect((await moho(["apply-patch", patch], { cwd: repo, env })).code).toBe(0);
    expect(readFileSync(join(repo, "made.txt"), "utf8")).toBe("made\n");
  });
});

test("the version, from source too", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  for (const word of ["--version", "-V"])
    expect(await moho([word])).toMatchObject({ code: 0, stdout: `moho ${version}\n`, stderr: "" });
});

test("an interrupted turn says the whole command that goes on", async () => {
  const said = /`moho (.*) "(.*)"`/.exec(ERRORS.interrupted.next)!;
  await withTempHome(async (home) => {
    const { repo, env, flags } = workplace(home.path, await refusingUrl());
    const ended = await moho([...said[1]!.split(" "), said[2]!, ...flags], { cwd: repo, env });
    // No thread is there, but the words themselves are right.
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining("thread_not_found") });
  });
});
