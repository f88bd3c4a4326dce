/** What start-up depends on: the parser stays unloaded until it is needed, and `.env` never beats the environment. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig, readDotEnv } from "../src/index.ts";

/** Whether a fresh process that loads this configuration imports the TOML parser. */
function loadsParser(sources: Record<string, unknown>, files: Record<string, string> = {}): boolean {
  const script = `
    import { registerHooks } from "node:module";
    let loaded = false;
    registerHooks({ resolve(name, context, next) { loaded ||= name === "smol-toml"; return next(name, context); } });
    const { loadConfig } = await import(${JSON.stringify(join(import.meta.dirname, "../src/index.ts"))});
    const files = ${JSON.stringify(files)};
    await loadConfig({
      home: "/h", codexHome: "/c", cwd: "/w", systemFolders: ["/s"], exists: () => false,
      readFile: (path) => files[path], ...${JSON.stringify(sources)},
    });
    console.log(loaded);
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return stdout.trim() === "true";
}

test("without a file, and with everyday flags, the parser is not loaded", () => {
  const flags = [
    "model=openai.gpt-oss-120b",
    'model_providers.amazon-bedrock.base_url="http://127.0.0.1:1/openai/v1"',
  ];
  expect(loadsParser({ flags: [...flags, "moho.max_turns=3", "hide_agent_reasoning=true"] })).toBe(false);
});

test("with a file it is, and with a flag only it can read", () => {
  expect(loadsParser({}, { "/h/config.toml": "" })).toBe(true);
  expect(loadsParser({ flags: ['project_root_markers=["a"]'] })).toBe(true);
});

test("the real disk is read when nothing stands in for it", async () => {
  const nowhere = join(import.meta.dirname, "nowhere");
  const config = await loadConfig({
    home: nowhere,
    codexHome: nowhere,
    cwd: import.meta.dirname,
    systemFolders: [],
  });
  expect(config.files).toEqual([]);
  expect(config.settings.model_provider).toBe("amazon-bedrock");
});

test(".env adds only what the environment lacks, and nothing of Moho's own", async () => {
  const file = `
    # keys
    AWS_REGION=eu-west-1
    export AWS_PROFILE="dev profile"
    AWS_BEARER_TOKEN_BEDROCK='from file'
    MOHO_HOME=/elsewhere
    codex_home=/elsewhere
    EMPTY=
  `;
  const env = { AWS_BEARER_TOKEN_BEDROCK: "real", AWS_REGION: "" };
  const homes = { home: "/h", codexHome: "/c" };
  const only = (wanted: string) => (path: string) => (path === wanted ? file : undefined);
  const expected = { AWS_PROFILE: "dev profile", EMPTY: "" };
  expect(await readDotEnv(homes, env, only("/h/.env"))).toEqual(expected);
  expect(await readDotEnv(homes, env, only("/c/.env"))).toEqual(expected);
  expect(await readDotEnv(homes, env, () => undefined)).toEqual({});
});
