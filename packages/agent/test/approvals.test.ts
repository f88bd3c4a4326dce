/** What may act, by which rule, and what the model and the user hear of a refusal. */

import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Decision, decide } from "../src/approvals.ts";
import type { Approve } from "../src/index.ts";
import { exec, message, patch, say, scriptedModel } from "./support/model.ts";
import { makeWorld, settle } from "./support/world.ts";

const ADD = (path: string) => `*** Begin Patch\n*** Add File: ${path}\n+x\n*** End Patch`;

test("every case of the decision", () => {
  const table: [Parameters<typeof decide>, Decision["verdict"], Decision["rule"]][] = [];
  for (const mode of ["read-only", "workspace-write", "danger-full-access"] as const)
    for (const approval of ["never", "on-request"] as const)
      for (const escalates of [false, true])
        for (const writes of [false, true]) {
          const [verdict, rule] =
            mode === "danger-full-access"
              ? (["allow", "full-access"] as const)
              : writes && mode === "read-only"
                ? (["forbid", "read-only"] as const)
                : escalates
                  ? ([approval === "never" ? "forbid" : "ask", "escalation"] as const)
                  : (["allow", "sandboxed"] as const);
          table.push([
            [
              { writes, escalates },
              { mode, approval },
            ],
            verdict,
            rule,
          ]);
        }
  expect(table).toHaveLength(24);
  for (const [question, verdict, rule] of table) expect(decide(...question)).toMatchObject({ verdict, rule });
});

test("under `never` leaving the sandbox is refused, shown and told", async () => {
  const world = makeWorld({ policy: { mode: "workspace-write" } });
  const model = scriptedModel([
    say(exec("touch made", { sandbox_permissions: "require_escalated", justification: "Need it." }, "c1")),
    say(message("ok")),
  ]);
  const events = await world.run(model, await world.thread());
  const reason = "Leaving the sandbox needs an approval, and this run's approval policy is never.";
  const item = {
    id: "item_0",
    type: "command_execution",
    command: "touch made",
    aggregated_output: "",
    exit_code: null,
  };
  expect(events.slice(1, 4)).toEqual([
    { type: "item.started", item: { ...item, status: "in_progress" } },
    { type: "item.completed", item: { ...item, status: "declined" } },
    { type: "item.completed", item: { id: "item_1", type: "error", message: reason } },
  ]);
  expect(JSON.parse(model.requests[1]!).input.at(-1).output).toBe(`not run: ${reason}`);
  expect(existsSync(join(world.root, "made"))).toBe(false);
});

test("on request the user is asked once a call, and the answer holds", async () => {
  const world = makeWorld({ policy: { mode: "workspace-write" } });
  const asked: unknown[] = [];
  const approve: Approve = async ({ tool, justification, decision }) => {
    asked.push([tool, justification, decision.rule]);
    return asked.length === 1;
  };
  const escalated = { sandbox_permissions: "require_escalated", justification: "May I?" };
  const model = scriptedModel([
    say(exec(`touch ${world.home}/out`, escalated), exec("touch second", escalated), exec("touch inside")),
    say(message("ok")),
  ]);
  await world.run(model, await world.thread(), "go", { approval: "on-request", deps: { approve } });
  expect(asked).toEqual([
    ["exec_command", "May I?", "escalation"],
    ["exec_command", "May I?", "escalation"],
  ]);
  expect(existsSync(join(world.home, "out"))).toBe(true);
  expect(existsSync(join(world.root, "second"))).toBe(false);
  expect(existsSync(join(world.root, "inside"))).toBe(true);
  expect(JSON.parse(model.requests[1]!).input.at(-2).output).toBe("not run: The user declined it.");
});

test("the sandbox holds commands, edits and pictures alike", async () => {
  const world = makeWorld({ policy: { mode: "workspace-write" } });
  const secret = join(world.home, "credentials");
  writeFileSync(secret, "aws_secret_access_key = sesame");
  mkdirSync(join(world.root, ".git"));
  symlinkSync(world.home, join(world.root, "link"));
  const environment = { ...world.environment };
  const model = scriptedModel([
    say(
      exec(`echo x > ${world.home}/made; echo y > .git/made; echo z > ok`),
      patch(ADD(`${world.home}/made`)),
      patch(ADD(".git/made")),
      patch(ADD("link/made")),
      patch(ADD("../made")),
    ),
    say(message("ok")),
  ]);
  const events = await world.run(model, await world.thread(), "go", { deps: { environment } });
  for (const path of [join(world.home, "made"), join(world.root, ".git/made"), join(world.root, "../made")])
    expect(existsSync(path)).toBe(false);
  expect(readFileSync(join(world.root, "ok"), "utf8")).toBe("z\n");
  const statuses = events.flatMap((e) =>
    e.type === "item.completed" && e.item.type === "file_change" ? [e.item.status] : [],
  );
  expect(statuses).toEqual(["failed", "failed", "failed", "failed"]);
});

test("in a read-only run nothing is written, and edits are declined", async () => {
  const world = makeWorld({ policy: { mode: "read-only" } });
  const model = scriptedModel([say(exec("touch made"), patch(ADD("made"))), say(message("ok"))]);
  const events = await world.run(model, await world.thread());
  expect(existsSync(join(world.root, "made"))).toBe(false);
  expect(JSON.stringify(events)).toContain('"status":"declined"');
  expect(JSON.parse(model.requests[1]!).input.at(-1).output).toBe(
    "not run: The sandbox is read-only: files may not be changed.",
  );
});

test("AGENTS.md: in order, the override first, cut with a warning, and never through a link to a secret", async () => {
  const world = makeWorld();
  const cwd = join(world.root, "a", "b");
  mkdirSync(cwd, { recursive: true });
  mkdirSync(join(world.root, ".git"));
  mkdirSync(join(world.home, "aws"));
  const secret = join(world.home, "aws", "credentials");
  writeFileSync(secret, "sesame");
  writeFileSync(join(world.home, "AGENTS.md"), "home rule");
  writeFileSync(join(world.root, "AGENTS.md"), "root rule");
  writeFileSync(join(world.root, "a", "AGENTS.override.md"), "override rule");
  writeFileSync(join(world.root, "a", "AGENTS.md"), "hidden rule");
  symlinkSync(secret, join(cwd, "AGENTS.md"));
  const environment = makeWorld({
    policy: { mode: "workspace-write", roots: [world.root], unreadable: [join(world.home, "aws")] },
  }).environment;
  const model = scriptedModel([say(message("ok"))]);
  const first = await world.run(model, await world.thread(), "go", { cwd, deps: { environment } });
  const texts = JSON.parse(model.requests[0]!).input[0].content.map((part: { text: string }) => part.text);
  expect(settle(texts.slice(0, 2), world)).toEqual([
    '<instructions from="AGENTS.md of the user, for every project">\nhome rule\n</instructions>',
    '<instructions from="AGENTS.md of this project">\n# /repo/AGENTS.md\n\nroot rule\n\n# /repo/a/AGENTS.override.md\n\noverride rule\n</instructions>',
  ]);
  expect(texts[2]).toMatch(
    /^<environment>\nsandbox: workspace-write, network off, read-only at the workspace's top: \.git /,
  );
  expect(model.requests[0]).not.toContain("sesame");
  expect(settle(first, world)[1]).toEqual({
    type: "error",
    message: expect.stringMatching(/^\/repo\/a\/b\/AGENTS\.md was not read: .*is kept from tools/),
  });

  writeFileSync(join(world.home, "aws", "AGENTS.md"), "sesame");
  symlinkSync(join(world.home, "aws"), join(world.root, "link"));
  const linked = scriptedModel([say(message("ok"))]);
  const cwdOfLink = join(world.root, "link");
  await world.run(linked, await world.thread(), "go", { cwd: cwdOfLink, deps: { environment } });
  expect(linked.requests[0]).not.toContain("sesame");

  writeFileSync(join(world.root, "AGENTS.md"), "é".repeat(40_000));
  const cut = scriptedModel([say(message("ok"))]);
  const events = await world.run(cut, await world.thread());
  expect(settle(events, world)[1]).toEqual({
    type: "error",
    message: "/repo/AGENTS.md was cut: 32768 of its 80000 bytes fit the 32768 byte limit.",
  });
  expect(cut.requests[0]!.match(/é+/)![0]).toHaveLength(16_384);
});
