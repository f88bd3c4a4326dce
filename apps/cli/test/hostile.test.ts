/** What a hostile model tries against `moho exec` from inside the sandbox, and what a missing sandbox changes. */

import { existsSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { calls, callsFreeform, says, startScriptedModel, withTempHome } from "@moho/testkit";
import { expect, test } from "vitest";
import { moho, workplace } from "./harness.ts";

/** The prompt's answer is one command after the other, then a message. */
const script = (commands: string[], last = "Done.") => [
  ...commands.map((cmd, i) => ({ items: [calls("exec_command", { cmd }, `call_${i}`)] })),
  { items: [says(last)] },
];

test("-o is not led elsewhere by a link that a command makes", async () => {
  await withTempHome(async (home) => {
    const bashrc = await home.write(".bashrc", "clean\n");
    const model = await startScriptedModel(script([`rm -f last.md; ln -s ${bashrc} last.md`], "evil"));
    const { repo, env, flags } = workplace(home.path, model.url);
    const ended = await moho(["exec", ...flags, "-o", "last.md", "go"], { cwd: repo, env });
    expect(ended.code, ended.stderr).toBe(0);
    expect(readlinkSync(join(repo, "last.md"))).toBe(bashrc);
    expect(readFileSync(bashrc, "utf8")).toBe("clean\n");
    await model.close();
  });
});

test("-o into a folder that is not there fails before anything is paid", async () => {
  await withTempHome(async (home) => {
    const model = await startScriptedModel(script([]));
    const { repo, env, flags } = workplace(home.path, model.url);
    const ended = await moho(["exec", ...flags, "-o", "absent/last.md", "go"], { cwd: repo, env });
    expect(ended.code).toBe(2);
    expect(model.requests).toHaveLength(0);
    await model.close();
  });
});

test("a writable folder that does not exist yet cannot be pointed at the home later", async () => {
  await withTempHome(async (home) => {
    const bashrc = await home.write(".bashrc", "clean\n");
    const model = await startScriptedModel(script([`ln -s ${home.path} out`, `echo pwned >> ${bashrc}`]));
    const { repo, env, flags } = workplace(home.path, model.url);
    const words = ["exec", ...flags, "-c", "sandbox_workspace_write.exclude_slash_tmp=true"];
    await moho([...words, "-c", 'sandbox_workspace_write.writable_roots=["out"]', "go"], { cwd: repo, env });
    expect(readFileSync(bashrc, "utf8")).toBe("clean\n");
    expect((await moho([...words, "--add-dir", "absent", "go"], { cwd: repo, env })).code).toBe(2);
    expect(model.requests).toHaveLength(3);
    await model.close();
  });
});

test("a provider's key is in no command, under no name; files that AWS variables name cannot be read", async () => {
  await withTempHome(async (home) => {
    const elsewhere = await home.write("elsewhere/creds", "aws_secret_access_key = file-secret-value\n");
    const model = await startScriptedModel(script([`env; cat ${elsewhere}`]));
    const { repo, env } = workplace(home.path, model.url);
    await home.write(
      ".moho/config.toml",
      `model_provider = "lab"\nmodel = "m"\n[model_providers.lab]\nbase_url = "${model.url}/v1"\nenv_key = "CORP_LLM"\n`,
    );
    const ended = await moho(["exec", "go"], {
      cwd: repo,
      env: { ...env, CORP_LLM: "corp-secret-value", AWS_SHARED_CREDENTIALS_FILE: elsewhere },
    });
    expect(ended.code, ended.stderr).toBe(0);
    expect(model.requests[0]!.headers["authorization"]).toBe("Bearer corp-secret-value");
    const seen = JSON.stringify(model.requests[1]!.json);
    expect(seen).not.toContain("secret-value");
    expect(seen).toContain("Permission denied");
    await model.close();
  });
});

test("without bubblewrap commands are refused and edits work; running unconfined is allowed by setting, and said", async () => {
  await withTempHome(async (home) => {
    const patch = "*** Begin Patch\n*** Add File: made.txt\n+by the agent\n*** End Patch\n";
    const turns = () => [
      {
        items: [
          calls("exec_command", { cmd: "touch ran" }, "call_1"),
          callsFreeform("apply_patch", patch, "call_2"),
        ],
      },
      { items: [says("Done.")] },
    ];
    const model = await startScriptedModel([...turns(), ...turns()]);
    const { repo, env, flags } = workplace(home.path, model.url);
    const wrap = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", "/dev/null", realpathSync("/usr/bin/bwrap")];
    const refused = await moho(["exec", ...flags, "go"], { cwd: repo, env, wrap });
    expect(refused.code, refused.stderr).toBe(0);
    expect(existsSync(join(repo, "ran"))).toBe(false);
    expect(existsSync(join(repo, "made.txt"))).toBe(true);
    expect(JSON.stringify(model.requests[1]!.json)).toContain("cannot be confined");
    const words = ["exec", ...flags, "-c", 'moho.sandbox_fallback="run"', "go"];
    const allowed = await moho(words, { cwd: repo, env, wrap });
    expect(existsSync(join(repo, "ran"))).toBe(true);
    expect(allowed.stderr).toContain("NO SANDBOX");
    await model.close();
  });
});
