import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  calls,
  callsFreeform,
  REFUSALS,
  refusingUrl,
  says,
  startScriptedModel,
  withTempHome,
} from "@moho/testkit";
import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import { type Ended, eventsOf, moho, start, until, workplace } from "./harness.ts";

const schemaUrl = new URL("../../../packages/protocol/schema/thread-events.v1.json", import.meta.url);
const validEvent = new Ajv({ allowUnionTypes: true }).compile(JSON.parse(readFileSync(schemaUrl, "utf8")));

/** Every line is an event of the schema, and the last one, and no other, ends the turn. */
function checkedEvents(ended: Ended) {
  const events = eventsOf(ended);
  for (const event of events)
    expect(validEvent(event), `${JSON.stringify(event)} ${JSON.stringify(validEvent.errors)}`).toBe(true);
  const terminal = events.filter(({ type }) => type === "turn.completed" || type === "turn.failed");
  expect(terminal).toHaveLength(1);
  expect(events.at(-1)).toBe(terminal[0]);
  return events;
}

const PATCH = "*** Begin Patch\n*** Add File: made.txt\n+by the agent\n*** End Patch\n";

describe("a turn that edits a repository", () => {
  const script = () => [
    { items: [calls("exec_command", { cmd: "echo from the sandbox" }, "call_1")] },
    { items: [callsFreeform("apply_patch", PATCH, "call_2")] },
    { items: [says("All done.")] },
  ];

  test("in human form: the last message on stdout, progress on stderr", async () => {
    await withTempHome(async (home) => {
      const model = await startScriptedModel(script());
      const { repo, env, flags } = workplace(home.path, model.url);
      const ended = await moho(["exec", ...flags, "make it"], { cwd: repo, env });
      expect(ended).toMatchObject({ code: 0, stdout: "All done.\n" });
      expect(ended.stderr).toContain("✓ echo from the sandbox");
      expect(ended.stderr).toContain("✎ add made.txt");
      expect(readFileSync(join(repo, "made.txt"), "utf8")).toBe("by the agent\n");
      await model.close();
    });
  });

  test("with --json, -o, -C and the prompt on stdin", async () => {
    await withTempHome(async (home) => {
      const model = await startScriptedModel(script());
      const { repo, env, flags } = workplace(home.path, model.url);
      const words = ["exec", "--json", "-C", repo, "-o", "last.txt", ...flags, "-"];
      const ended = await moho(words, { cwd: home.path, env, stdin: "from stdin\n" });
      expect(ended.code, ended.stderr).toBe(0);
      const events = checkedEvents(ended);
      expect(events.map(({ type }) => type).slice(0, 2)).toEqual(["thread.started", "turn.started"]);
      expect(events.at(-1)).toMatchObject({ type: "turn.completed" });
      expect(readFileSync(join(home.path, "last.txt"), "utf8")).toBe("All done.");
      expect(JSON.stringify(model.requests[0]!.json)).toContain("from stdin");
      await model.close();
    });
  });

  test("stdin is not touched unless asked for: an open pipe does not hang it", async () => {
    await withTempHome(async (home) => {
      const model = await startScriptedModel([{ items: [says("Hello.")] }]);
      const { repo, env, flags } = workplace(home.path, model.url);
      const ended = await moho(["exec", ...flags, "hi"], { cwd: repo, env, stdin: "open" });
      expect(ended).toMatchObject({ code: 0, stdout: "Hello.\n" });
      await model.close();
    });
  });

  test("a Codex user's settings are read as they are", async () => {
    await withTempHome(async (home) => {
      const model = await startScriptedModel([{ items: [says("Hello.")] }]);
      const { repo, env } = workplace(home.path, model.url);
      await home.write(
        ".codex/config.toml",
        `model = "openai.gpt-5.6-luna"\nmodel_provider = "amazon-bedrock"\n[model_providers.amazon-bedrock]\nbase_url = "${model.url}/openai/v1"\naws.region = "us-west-2"\n`,
      );
      const ended = await moho(["exec", "hi"], { cwd: repo, env });
      expect(ended).toMatchObject({ code: 0, stdout: "Hello.\n" });
      expect(model.requests[0]!.json).toMatchObject({ model: "openai.gpt-5.6-luna" });
      await model.close();
    });
  });
});

describe("exit codes and the last event", () => {
  const refusals: [string, object, number, string][] = [
    ["a bad request", { http: REFUSALS.badRequest }, 1, "upstream_refused"],
    ["a bad key", { http: REFUSALS.badKey }, 3, "invalid_api_key"],
    ["a denied action", { http: REFUSALS.denied }, 4, "access_denied"],
  ];
  test.each(refusals)("%s", async (_, turn, code, error) => {
    await withTempHome(async (home) => {
      const model = await startScriptedModel([turn]);
      const { repo, env, flags } = workplace(home.path, model.url);
      const ended = await moho(["exec", "--json", ...flags, "hi"], { cwd: repo, env });
      expect(checkedEvents(ended).at(-1)).toMatchObject({ type: "turn.failed", error: { code: error } });
      expect(ended.code).toBe(code);
      expect(model.requests).toHaveLength(1);
      await model.close();
    });
  });

  test("bad usage, bad configuration, no repository, no prompt: 2, and a last event under --json", async () => {
    await withTempHome(async (home) => {
      const url = await refusingUrl();
      const { repo, env, flags } = workplace(home.path, url);
      const bad = [
        ["exec", "--json", ...flags, "--max-cost", "much", "hi"],
        ["exec", "--json", ...flags, "--max-turns", "1.5", "hi"],
        ["exec", "--json", ...flags, "-c", "model=1", "hi"],
        ["exec", "--json", ...flags, "-s", "everything", "hi"],
        ["exec", "--json", ...flags],
        ["exec", "--json", ...flags, "--strict-config", "-c", "modell='x'", "hi"],
        ["exec", "--json", ...flags, "-p", "absent", "hi"],
      ];
      for (const words of bad) {
        const ended = await moho(words, { cwd: repo, env });
        expect(ended.code, words.join(" ")).toBe(2);
        checkedEvents(ended);
      }
      const elsewhere = join(home.path, "elsewhere");
      await mkdir(elsewhere);
      const ended = await moho(["exec", ...flags, "hi"], { cwd: elsewhere, env });
      expect(ended).toMatchObject({ code: 2, stdout: "" });
      expect(ended.stderr).toContain("--skip-git-repo-check");
      expect((await moho(["exec", "--no-such-flag"], { cwd: repo, env })).code).toBe(2);
      expect((await moho(["no-such-command"], { cwd: repo, env })).code).toBe(2);
    });
  }, 60_000);

  test("no credentials: 3, every source named, within a second of asking", async () => {
    await withTempHome(async (home) => {
      const { repo, flags } = workplace(home.path, await refusingUrl());
      const env = { HOME: home.path, AWS_EC2_METADATA_DISABLED: "true" };
      const ended = await moho(["exec", "--json", ...flags, "hi"], { cwd: repo, env });
      expect(ended.code).toBe(3);
      const last = checkedEvents(ended).at(-1);
      expect(last).toMatchObject({
        error: { code: "no_credentials", next: expect.stringContaining("moho auth status") },
      });
    });
  });

  test("limits: too many model calls is 4", async () => {
    await withTempHome(async (home) => {
      const model = await startScriptedModel((_, n) => ({
        items: [calls("exec_command", { cmd: "true" }, `call_${n}`)],
      }));
      const { repo, env, flags } = workplace(home.path, model.url);
      const ended = await moho(["exec", "--json", "--max-turns", "3", ...flags, "loop"], { cwd: repo, env });
      expect(checkedEvents(ended).at(-1)).toMatchObject({ error: { code: "turn_limit_reached" } });
      expect(ended.code).toBe(4);
      expect(model.requests).toHaveLength(3);
      await model.close();
    });
  });

  test("SIGINT: 130, a last event, and the command is gone", async () => {
    await withTempHome(async (home) => {
      const model = await startScriptedModel([
        { items: [calls("exec_command", { cmd: "echo $$ > pid; sleep 77" }, "call_1")] },
      ]);
      const { repo, env, flags } = workplace(home.path, model.url);
      const words = ["exec", "--json", "-s", "danger-full-access", ...flags, "wait"];
      const running = start(words, { cwd: repo, env });
      await until(() => existsSync(join(repo, "pid")) && readFileSync(join(repo, "pid"), "utf8").length > 1);
      running.child.kill("SIGINT");
      const ended = await running.ended;
      expect(ended.code).toBe(130);
      expect(checkedEvents(ended).at(-1)).toMatchObject({
        type: "turn.failed",
        error: { code: "interrupted" },
      });
      const pid = readFileSync(join(repo, "pid"), "utf8").trim();
      expect(existsSync(`/proc/${pid}`)).toBe(false);
      await model.close();
    });
  });
});

describe("resume", () => {
  test("--last goes on after kill -9 in the middle of a command, with the orphan call answered", async () => {
    await withTempHome(async (home) => {
      const model = await startScriptedModel([
        { items: [calls("exec_command", { cmd: "touch began; sleep 60" }, "call_1")] },
        { items: [says("Where were we?")] },
      ]);
      const { repo, env, flags } = workplace(home.path, model.url);
      const running = start(["exec", ...flags, "long work"], { cwd: repo, env });
      await until(() => existsSync(join(repo, "began")));
      running.child.kill("SIGKILL");
      await running.ended;
      const ended = await moho(["exec", ...flags, "resume", "--last", "go on"], { cwd: repo, env });
      expect(ended, ended.stderr).toMatchObject({ code: 0, stdout: "Where were we?\n" });
      const { input } = model.requests[1]!.json as {
        input: { type: string; call_id?: string; output?: string }[];
      };
      const call = input.findIndex(({ type }) => type === "function_call");
      expect(input[call + 1]).toMatchObject({
        type: "function_call_output",
        call_id: "call_1",
        output: expect.stringContaining("interrupted"),
      });
      expect(JSON.stringify(input)).toContain("long work");
      await model.close();
    });
  });

  test("without a thread to go on from: a clear error", async () => {
    await withTempHome(async (home) => {
      const { repo, env, flags } = workplace(home.path, await refusingUrl());
      const ended = await moho(["exec", ...flags, "resume", "--last", "go on"], { cwd: repo, env });
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain("No thread was started in");
    });
  });
});

describe("apply-patch", () => {
  test("applies, or changes nothing", async () => {
    await withTempHome(async (home) => {
      const { repo, env } = workplace(home.path, "");
      const ended = await moho(["apply-patch", "-"], { cwd: repo, env, stdin: PATCH });
      expect(ended, ended.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining("A made.txt") });
      const bad = PATCH.replace("made.txt", "other.txt").replace(
        "*** End",
        "*** Update File: absent.txt\n@@\n-x\n+y\n*** End",
      );
      const refused = await moho(["apply-patch", bad], { cwd: repo, env });
      expect(refused.code).toBe(1);
      expect(existsSync(join(repo, "other.txt"))).toBe(false);
      await writeFile(join(repo, "x"), "");
      expect(execFileSync("git", ["-C", repo, "status", "--short"], { encoding: "utf8" })).toBe(
        "?? made.txt\n?? x\n",
      );
    });
  });
});

test("commands get the thread's marker and the configured variables, and no credential under any name", async () => {
  await withTempHome(async (home) => {
    const model = await startScriptedModel([
      { items: [calls("exec_command", { cmd: "env | sort" }, "call_1")] },
      { items: [says("Seen.")] },
    ]);
    const { repo, env, flags } = workplace(home.path, model.url);
    const words = ["exec", ...flags, "-c", 'shell_environment_policy.set={ GREETING = "hello" }', "look"];
    const ended = await moho(words, { cwd: repo, env: { ...env, INNOCENT: "prefix-test-token" } });
    expect(ended.code, ended.stderr).toBe(0);
    const seen = JSON.stringify(model.requests[1]!.json);
    expect(seen).toContain("GREETING=hello");
    expect(seen).toMatch(/MOHO_THREAD_ID=[0-9a-f-]{36}/);
    expect(seen).not.toContain("test-token");
    await model.close();
  });
});
