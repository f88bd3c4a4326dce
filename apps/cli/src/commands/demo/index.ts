/** `moho demo`: the main job on embedded defaults, no account and no network. Only the model is pretended. */

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AwsCredentials } from "@moho/aws";
import { MohoError } from "@moho/protocol";
import type { Command } from "../../command.ts";
import { composeStore } from "../../compose/gateway.ts";
import type { Context } from "../../context.ts";
import { EXIT } from "../../exit.ts";
import { readGatewayConfig } from "../gateway/config.ts";
import { report } from "./report.ts";
import { makeRepository } from "./repository.ts";
import { SCRIPT } from "./script.ts";

const ACCOUNT = "123456789012";
const REGION = "us-east-1";
const MODEL = "openai.gpt-6.1-sol";
const TASK = "The tests of this repository fail. Find out why, repair it, and prove it.";

const POLICY = {
  Version: "2012-10-17",
  Statement: [
    {
      Sid: "CodeWithOneModel",
      Effect: "Allow",
      Action: "bedrock-mantle:CreateInference",
      Resource: `arn:aws:bedrock-mantle:${REGION}:${ACCOUNT}:project/default`,
      Condition: { StringEquals: { "bedrock-mantle:Model": MODEL } },
    },
  ],
};

export const command: Command = {
  usage: [""],
  about: "The whole chain on embedded defaults: a governed gateway, a signed agent, a repository repaired.",
  flags: [{ name: "keep", about: "Keep the demo's folder to look around in." }],
  async run(context, args) {
    const folder = mkdtempSync(join(tmpdir(), "moho-demo-"));
    const config = join(folder, "gateway.toml");
    const repository = join(folder, "slug");
    const say = (line: string) => void context.stdout.write(`${line}\n`);
    say("Moho demo. The model is a script: it answers the same every time. Everything else is real.\n");
    try {
      writeFileSync(config, gatewayFile(folder));
      writeFileSync(join(folder, "script.json"), JSON.stringify({ turns: SCRIPT }));
      const key = await governedUser(config);
      say(`• user "dev" may call ${MODEL} and nothing else, for at most $5.00 a day`);
      makeRepository(repository);
      say(`• a repository with a failing test: ${repository}`);
      const gateway = await startGateway(context, config);
      say(`• gateway on ${gateway.url}: SigV4, IAM, budgets, audit\n`);
      const code = await runAgent(context, folder, repository, gateway.url, key);
      await gateway.stop();
      if (code !== EXIT.ok) throw new MohoError("internal", `moho exec ended with exit code ${code}.`);
      say(await report(config, repository));
      if (args.on("keep")) say(`\nThe demo's folder: ${folder}`);
      return EXIT.ok;
    } finally {
      if (!args.on("keep")) rmSync(folder, { recursive: true, force: true });
    }
  },
};

function gatewayFile(folder: string): string {
  return `[gateway]
listen = "127.0.0.1:0"
database_url = "sqlite:${join(folder, "gateway.db")}"
account = "${ACCOUNT}"
region = "${REGION}"

[[gateway.upstreams]]
name = "script"
kind = "scripted"
script = "script.json"

[[gateway.routes]]
model = "openai.*"
upstream = "script"
`;
}

/** A principal with one policy, one access key and a budget, as `moho admin` would make them. */
async function governedUser(config: string): Promise<AwsCredentials> {
  const { store, access } = await composeStore(await readGatewayConfig(config));
  try {
    const { administration } = access;
    await administration.putPolicy("coders", POLICY);
    const { arn } = await administration.createPrincipal({ name: "dev", policies: ["coders"] });
    const limit = { scope: `principal/${arn}`, limit: 5_000_000_000, period: "daily" as const };
    await store.ledger.putBudget({ ...limit, owner: "platform-team" });
    return await administration.issueAccessKey("dev");
  } finally {
    await store.close();
  }
}

async function startGateway(
  context: Context,
  config: string,
): Promise<{ url: string; stop(): Promise<void> }> {
  const [program, ...words] = context.self;
  const child = spawn(program!, [...words, "gateway", "--config", config], {
    env: { PATH: context.env["PATH"] ?? "", HOME: context.userHome },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
      const ready = /http:\S+/.exec(text)?.[0];
      if (ready && text.includes("\n")) resolve(ready);
    });
    child.once("exit", (code) => reject(new MohoError("internal", `The gateway ended with ${code}.`)));
  });
  return {
    url,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** The agent as a developer starts it: a clean home, AWS keys in the environment, the gateway as endpoint. */
async function runAgent(
  context: Context,
  folder: string,
  repository: string,
  url: string,
  key: AwsCredentials,
): Promise<number> {
  const home = join(folder, "home");
  mkdirSync(join(home, ".moho"), { recursive: true });
  writeFileSync(
    join(home, ".moho", "config.toml"),
    `model = "${MODEL}"\n[model_providers.amazon-bedrock]\nbase_url = "${url}/openai/v1"\naws.region = "${REGION}"\n`,
  );
  context.stdout.write(`$ moho exec --max-cost 1 "${TASK}"\n`);
  const [program, ...words] = context.self;
  const child = spawn(program!, [...words, "exec", "--max-cost", "1", TASK], {
    cwd: repository,
    env: {
      PATH: context.env["PATH"] ?? "",
      HOME: home,
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    },
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? EXIT.failed));
  });
}
