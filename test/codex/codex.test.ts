/** The stock Codex binary completes a tool-using turn through `moho gateway`, changed by nothing but its `base_url`. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { calls, says, startScriptedModel, withTempHome } from "@moho/testkit";
import { afterEach, expect, test } from "vitest";

const ROOT = new URL("../../", import.meta.url).pathname;
const CODEX = `${ROOT}node_modules/.cache/codex/node_modules/.bin/codex`;
const MOHO = [process.execPath, `${ROOT}apps/cli/src/dev.ts`];
const KEYS = { id: "AKIACODEXCODEXCODEX0", secret: "codex/secret+codex/secret+codex/secret00" };
const API_KEY = "ABSKcodexcodexcodexcodexcodexcodex";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function startGateway(upstream: string, folder: string): Promise<string> {
  const words = [
    "gateway",
    "--dev",
    "--listen",
    "127.0.0.1:0",
    "--upstream",
    `openai-compatible=${upstream}/v1`,
  ];
  const child = spawn(MOHO[0]!, [MOHO[1]!, ...words, "--database", join(folder, "gateway.db")], {
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      MOHO_DEV_ACCESS_KEY_ID: KEYS.id,
      MOHO_DEV_SECRET_ACCESS_KEY: KEYS.secret,
      MOHO_DEV_API_KEY: API_KEY,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (chunk) => {
      text += chunk;
      const url = /http:\S+/.exec(text)?.[0];
      if (url && text.includes("\n")) resolve(url);
    });
    child.once("exit", (code) => reject(new Error(`the gateway ended with ${code}: ${text}`)));
  });
}

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function run(argv: string[], env: Record<string, string>, cwd: string): Promise<Ended> {
  const child = spawn(argv[0]!, argv.slice(1), { env, cwd, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

const CALLERS: [string, Record<string, string>][] = [
  ["static keys, SigV4", { AWS_ACCESS_KEY_ID: KEYS.id, AWS_SECRET_ACCESS_KEY: KEYS.secret }],
  ["a bearer token", { AWS_BEARER_TOKEN_BEDROCK: API_KEY }],
];

test.each(CALLERS)("a tool-using turn with %s", async (_, credentials) => {
  await withTempHome(async (home) => {
    const work = join(home.path, "work");
    const codexHome = join(home.path, "codex");
    await Promise.all([mkdir(work), mkdir(codexHome)]);
    const model = await startScriptedModel([
      { items: [calls("exec_command", { cmd: "echo from-codex > made.txt && cat made.txt" }, "call_1")] },
      { items: [says("The file is there.")] },
    ]);
    const url = await startGateway(model.url, home.path);
    const settings = [
      'model_provider="amazon-bedrock"',
      `model_providers.amazon-bedrock.base_url="${url}/openai/v1"`,
      'model_providers.amazon-bedrock.aws.region="us-east-1"',
    ].flatMap((setting) => ["-c", setting]);
    const words = [
      "exec",
      "--json",
      "--skip-git-repo-check",
      "-s",
      "danger-full-access",
      ...settings,
      "make a file",
    ];
    const env = { PATH: process.env["PATH"] ?? "", HOME: home.path, CODEX_HOME: codexHome, ...credentials };
    const ended = await run([CODEX, ...words], env, work);

    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    const events = ended.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.at(-1).type).toBe("turn.completed");
    expect(readFileSync(join(work, "made.txt"), "utf8")).toBe("from-codex\n");
    expect(model.requests).toHaveLength(2);
    expect(JSON.stringify(model.requests[1]!.json)).toContain("from-codex");
    // The gateway's upstream never sees the caller's credentials.
    for (const { headers } of model.requests) expect(headers["authorization"]).toBeUndefined();

    const audit = await run(
      [...MOHO, "audit", "list", "--json", "--database", join(home.path, "gateway.db")],
      { PATH: process.env["PATH"] ?? "", HOME: home.path },
      work,
    );
    const records = audit.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.map((record) => record.eventName)).toEqual(["CreateInference", "CreateInference"]);
    expect(records[0].additionalEventData.decision.effect).toBe("allow");
    await model.close();
  });
});

test("the binary is there", () => {
  expect(existsSync(CODEX), "npm run test:codex installs it").toBe(true);
});
