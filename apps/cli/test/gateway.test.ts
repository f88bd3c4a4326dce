/** `moho gateway` at its start: what it refuses, what it then leaves alone, and what it prints. */

import { readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { signRequest } from "@moho/aws";
import { withTempHome } from "@moho/testkit";
import { expect, test } from "vitest";
import { gateway, moho } from "./harness.ts";

test("a taken address: which, and what to do; exit 2", async () => {
  await withTempHome(async (home) => {
    const other = createServer();
    await new Promise<void>((ready) => other.listen(0, "127.0.0.1", ready));
    const { port } = other.address() as { port: number };
    const listen = `127.0.0.1:${port}`;
    const ended = await moho(
      ["gateway", "--dev", "--listen", listen, "--upstream", "openai-compatible=http://127.0.0.1:1/v1"],
      { cwd: home.path },
    );
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toContain(`Cannot listen on ${listen}: another process listens there.`);
    expect(ended.stderr).toMatch(/code: invalid_config\n {2}next: .*port 0/);
    other.close();
  });
});

test("a file that cannot serve makes no database and no key", async () => {
  await withTempHome(async (home) => {
    const upstream = (lines: string) => `[[gateway.upstreams]]\nname = "up"\n${lines}\n`;
    const route = (name: string) => `[[gateway.routes]]\nmodel = "*"\nupstream = "${name}"\n`;
    const good = upstream('kind = "openai-compatible"\nbase_url = "http://127.0.0.1:1/v1"');
    const bad: [string, string][] = [
      ["names the upstream", good + route("other")],
      ["no model routes", good],
      ["no address", upstream('kind = "openai-compatible"\nbase_url = "notaurl"') + route("up")],
      ["no address", upstream('kind = "bedrock-mantle"\nbase_url = "ftp://x/"') + route("up")],
      ["has no `base_url`", upstream('kind = "openai-compatible"') + route("up")],
      ["cannot be read", upstream('kind = "scripted"\nscript = "absent.json"') + route("up")],
      ["is not HOST:PORT", `${good}${route("up")}`],
    ];
    for (const [why, rest] of bad) {
      const listen = why.includes("HOST") ? "nowhere" : "127.0.0.1:0";
      writeFileSync(
        join(home.path, "gateway.toml"),
        `[gateway]\nlisten = "${listen}"\ndatabase_url = "sqlite:made/gateway.db"\naccount = "123456789012"\nregion = "us-east-1"\n${rest}`,
      );
      const ended = await moho(["gateway", "--config", "gateway.toml"], { cwd: home.path });
      expect(ended, why).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(why) });
      expect(readdirSync(home.path), why).not.toContain("made");
    }
    writeFileSync(
      join(home.path, "gateway.toml"),
      `[gateway]\ndatabase_url = "sqlite:made/gateway.db"\nseal_key_file = "seal.key"\naccount = "123456789012"\nregion = "us-east-1"\n${good}${route("up")}`,
    );
    writeFileSync(join(home.path, "seal.key"), "short");
    const ended = await moho(["gateway", "--config", "gateway.toml"], { cwd: home.path });
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining("32 bytes in base64") });
    expect(readdirSync(home.path)).not.toContain("made");
  });
}, 60_000);

test("--dev refuses an upstream that is no URL, and prints what a client sets", async () => {
  await withTempHome(async (home) => {
    const start = (upstream: string) => ["--dev", "--listen", "127.0.0.1:0", "--upstream", upstream];
    const bad = await moho(["gateway", ...start("openai-compatible=notaurl")], { cwd: home.path });
    expect(bad).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("http or https") });
    const served = await gateway(start("openai-compatible=http://127.0.0.1:1/v1"), { cwd: home.path });
    served.child.kill("SIGTERM");
    const { stdout } = await served.ended;
    expect(stdout).toContain('model_provider = "amazon-bedrock"\n');
    expect(stdout).toContain(`model_providers.amazon-bedrock.base_url = "${served.url}/openai/v1"\n`);
    expect(stdout).toContain('model_providers.amazon-bedrock.aws.region = "us-east-1"\n');
  });
});

test("a refusal says what fits it: the region, the service, an explicit deny", async () => {
  await withTempHome(async (home) => {
    const statement = (effect: string) => ({ Effect: effect, Action: "bedrock-mantle:*", Resource: "*" });
    const document = { Version: "2012-10-17", Statement: [statement("Allow"), statement("Deny")] };
    writeFileSync(join(home.path, "deny.json"), JSON.stringify(document));
    writeFileSync(join(home.path, "script.json"), '{"turns":[]}');
    writeFileSync(
      join(home.path, "gateway.toml"),
      '[gateway]\nlisten = "127.0.0.1:0"\ndatabase_url = "sqlite:gateway.db"\naccount = "123456789012"\nregion = "us-east-1"\n' +
        '[[gateway.upstreams]]\nname = "up"\nkind = "scripted"\nscript = "script.json"\n[[gateway.routes]]\nmodel = "*"\nupstream = "up"\n',
    );
    const admin = (...words: string[]) =>
      moho(["admin", ...words, "--config", "gateway.toml"], { cwd: home.path });
    await admin("user", "create", "alice");
    await admin("policy", "put", "deny", "deny.json");
    await admin("policy", "attach", "alice", "deny");
    const [, accessKeyId, secretAccessKey] = /ID=(\S+)\n.*KEY=(\S+)/.exec(
      (await admin("key", "create", "alice")).stdout,
    )!;
    const credentials = { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! };
    const served = await gateway(["--config", "gateway.toml"], { cwd: home.path });
    const ask = async (service: string, region: string) => {
      const { host } = new URL(served.url);
      const unsigned = { method: "GET", host, target: "/v1/models", headers: {}, body: "" };
      const signed = signRequest(unsigned, credentials, { service, region, now: Date.now() });
      const answer = await fetch(`${served.url}/v1/models`, { headers: signed });
      return `${answer.status} ${answer.headers.get("x-moho-error")} ${await answer.text()}`;
    };
    expect(await ask("bedrock", "eu-west-1")).toMatch(
      /^401 invalid_signature .*Sign for the region 'us-east-1'/s,
    );
    expect(await ask("s3", "us-east-1")).toMatch(/^401 invalid_signature .*Sign for the service/s);
    const denied = await ask("bedrock", "us-east-1");
    expect(denied).toMatch(/^403 access_denied .*A Deny statement forbids this/s);
    expect(denied).not.toMatch(/message shows|secret access key/);
  });
}, 60_000);
