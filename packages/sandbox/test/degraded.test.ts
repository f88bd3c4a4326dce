/** Without a working layer, and with full access: what still holds, and what is said. */

import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sandboxStatus } from "../src/index.ts";
import { makeWorld, processes, until } from "./world.ts";

/** A program in the place of bwrap. */
function fakeBubblewrap(directory: string, text: string): string {
  const path = join(directory, "fake-bwrap");
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

test("bubblewrap that does not start: commands are refused with the reason, files still work", async () => {
  const { environment, sh, root, base, user } = makeWorld({ bubblewrap: "/nonexistent/bwrap" });
  await expect(sh("true")).rejects.toMatchObject({
    code: "sandbox_unavailable",
    message: expect.stringMatching(/^Commands cannot be confined: bubblewrap could not be started: .*ENOENT/),
  });
  expect(await environment.report()).toEqual({
    layer: "none",
    enforced: { writes: false, reads: false, network: false, processes: false },
    notes: [
      expect.stringMatching(/ENOENT/),
      "commands are refused; reads and edits of built-in tools work within the policy",
    ],
  });
  expect(await environment.canWrite(join(root, "a"))).toEqual({ allowed: true, real: join(root, "a") });
  expect(await environment.canRead(join(root, "a"))).toMatchObject({ allowed: true });
  expect(await environment.canWrite(join(base, "a"))).toMatchObject({ allowed: false });
  expect(await environment.canRead(join(user, ".aws/credentials"))).toMatchObject({ allowed: false });
});

test.each([
  ["bwrap: No permissions to create new namespace", "does not allow user namespaces"],
  ["bwrap: setting up uid map: Permission denied", "AppArmor"],
  ["bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "private /proc"],
  ["bwrap: Unknown option --perms", "older than 0.5"],
  ["bwrap: something new", "something new"],
])("the obstacle is named: %s", async (message, meaning) => {
  const { base } = makeWorld();
  const { environment } = makeWorld({ bubblewrap: fakeBubblewrap(base, `echo "${message}" >&2; exit 1`) });
  const { notes } = await environment.report();
  expect(notes[0]).toContain(message);
  expect(notes[0]).toContain(meaning);
});

test("unconfined commands run when that is allowed, and the report says so", async () => {
  const { environment, sh, base } = makeWorld({ bubblewrap: "/nonexistent/bwrap", unconfined: "run" });
  expect((await sh(`echo out > ${base}/out; echo done`)).output).toBe("done\n");
  expect(existsSync(join(base, "out"))).toBe(true);
  expect((await environment.report()).notes[1]).toMatch(/^commands run unconfined/);
  expect((await sandboxStatus(environment)).limits).toEqual([]);
});

test("full access confines nothing and does not try to", async () => {
  const { environment, sh, base, user } = makeWorld({
    policy: { mode: "danger-full-access" },
    bubblewrap: "/nonexistent/bwrap",
  });
  expect((await sh(`echo out > ${base}/out && cat ${user}/.aws/credentials`)).output).toMatch(/^canary/);
  expect(await environment.report()).toMatchObject({
    layer: "none",
    notes: [expect.stringMatching(/danger-full-access/)],
  });
  expect(await environment.canWrite("/etc/x")).toEqual({ allowed: true, real: "/etc/x" });
});

test("an approved escalation runs outside the sandbox, alone", async () => {
  const { sh, base } = makeWorld();
  expect((await sh(`echo out > ${base}/out && echo wrote`, { unsandboxed: true })).output).toBe("wrote\n");
  expect((await sh(`echo out > ${base}/out2 && echo wrote`)).output).not.toContain("wrote\n");
});

test("kill reaches children that left the group of an unconfined command", async () => {
  const { start } = makeWorld();
  const mark = `65432.${process.pid}`;
  const running = await start(`setsid sleep ${mark} & sleep ${mark} & echo ready; wait`, {
    unsandboxed: true,
  });
  await new Promise<void>((done) => running.onOutput(() => done()));
  running.kill();
  await running.exited;
  await until(() => processes(mark) === 0);
});

test("the status names the policy, what is enforced and what limits remain", async () => {
  const { environment, root } = makeWorld();
  const status = await sandboxStatus(environment);
  expect(status).toMatchObject({
    mode: "workspace-write",
    roots: [root],
    network: false,
    layer: "bubblewrap",
    notes: [],
  });
  expect(status.enforced).toEqual({ writes: true, reads: true, network: true, processes: true });
  expect(status.limits).toHaveLength(1);
  expect((await sandboxStatus(makeWorld({ policy: { network: true } }).environment)).enforced.network).toBe(
    false,
  );
});

test("a home that a link leads to, and one that does not exist yet, both work", async () => {
  const { base, root } = makeWorld({ prepare: ({ base }) => mkdirSync(join(base, "real")) });
  symlinkSync(join(base, "real"), join(base, "linked"));
  for (const home of [join(base, "linked"), join(base, "new/home")]) {
    const { sh } = makeWorld({ policy: { roots: [root], unreadable: [home] }, home });
    const { output } = await sh(`ls -A ${home} ${home}/sandbox; echo end`, { cwd: root });
    expect(output).toMatch(/Permission denied\n.*end\n$/s);
    expect(output).not.toMatch(/^sandbox$/m);
  }
});
