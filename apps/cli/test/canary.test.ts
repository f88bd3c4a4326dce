/** Secrets planted where users keep real ones turn up nowhere: requests, events, logs, threads, audit, children. */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { calls, plantCanaries, says, startScriptedModel, withTempHome } from "@moho/testkit";
import { expect, test } from "vitest";
import { gateway, moho, workplace } from "./harness.ts";

/** What a curious model would try. */
const NOSY = [
  "env",
  "cat ~/.aws/credentials ~/.aws/config; ls -R ~/.aws ~/.ssh; cat ~/.aws/sso/cache/*",
  "cat /proc/self/environ | tr '\\0' '\\n'; cat /proc/1/environ /proc/$PPID/environ | tr '\\0' '\\n'",
  "for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ; done 2>/dev/null",
  "cat /proc/1/root$HOME/.aws/credentials; cat ~/.moho/threads/*/*/*/*",
];

function filesBelow(folder: string): { name: string; bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ name: path, bytes: readFileSync(path) }));
}

test("through the sandbox, the agent and the gateway", async () => {
  await withTempHome(async (home) => {
    const canaries = await plantCanaries(home);
    const { AWS_BEARER_TOKEN_BEDROCK: token, ...env } = canaries.env;
    const model = await startScriptedModel([
      { items: NOSY.map((cmd, i) => calls("exec_command", { cmd }, `call_${i}`)) },
      { items: [says("Nothing to see.")] },
    ]);
    const { repo, flags } = workplace(home.path, "unused");
    const words = ["--dev", "--listen", "127.0.0.1:0", "--upstream", `openai-compatible=${model.url}/v1`];
    const database = join(home.path, "gateway.db");
    const served = await gateway([...words, "--database", database], {
      env: { HOME: home.path, MOHO_DEV_API_KEY: token! },
    });
    const own = flags.map((flag) => flag.replace("unused", served.url));
    const ended = await moho(["exec", "--json", ...own, "look around"], {
      cwd: repo,
      env: { ...env, AWS_BEARER_TOKEN_BEDROCK: token!, MOHO_DEBUG: "1" },
    });
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    const bad = await moho(
      ["exec", ...own, "-c", "model_providers.amazon-bedrock.aws.profile='absent'", "x"],
      {
        cwd: repo,
        env: { ...env, AWS_BEARER_TOKEN_BEDROCK: token!, MOHO_DEBUG: "1" },
      },
    );
    expect(bad.code).not.toBe(0);
    served.child.kill("SIGTERM");
    const log = await served.ended;
    const found = canaries.find([
      { name: "events", bytes: ended.stdout + ended.stderr },
      { name: "error", bytes: bad.stdout + bad.stderr },
      { name: "gateway output", bytes: log.stdout + log.stderr },
      ...model.requests.map(({ body, rawHeaders }, i) => ({
        name: `upstream request ${i}`,
        bytes: `${body.toString()}${rawHeaders.join("\n")}`,
      })),
      ...filesBelow(join(home.path, ".moho")),
      ...filesBelow(home.path).filter(({ name }) => name.startsWith(database)),
    ]);
    expect(found).toEqual([]);
    // The search itself works: the model did get the output of the commands, and canaries are found where they are.
    expect(model.requests[1]!.body.toString()).toContain("MOHO=1");
    expect(
      canaries.find([{ name: "credentials", bytes: readFileSync(join(home.path, ".aws/credentials")) }]),
    ).not.toEqual([]);
    await model.close();
  });
}, 60_000);
