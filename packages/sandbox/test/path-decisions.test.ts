/** In-process decisions: the same rules as the sandbox's, with a reason. */

import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeWorld, type Place } from "./world.ts";

function prepare({ base, root, user }: Place): void {
  for (const directory of ["src/deep", ".git", "sub/.git"])
    mkdirSync(join(root, directory), { recursive: true });
  mkdirSync(join(base, "outside"));
  writeFileSync(join(base, "outside/file"), "");
  writeFileSync(join(root, "file"), "");
  const links: Record<string, string> = {
    out: join(base, "outside"),
    "out-file": join(base, "outside/file"),
    dangling: join(base, "outside/new"),
    "dangling-in": join(root, "src/new"),
    inward: join(root, "src"),
    up: "..",
    loop: "loop",
    git: ".git",
    aws: join(user, ".aws"),
    environ: "/proc/self/environ",
    "src/chain": "../out",
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(root, name));
  linkSync(join(base, "outside/file"), join(root, "hard"));
  execFileSync("mkfifo", [join(root, "fifo")]);
}

const ALLOWED: [path: string, real: string][] = [
  ["file", "file"],
  ["new", "new"],
  ["src/../file", "file"],
  ["a/b/c/new", "a/b/c/new"],
  ["inward/deep/x", "src/deep/x"],
  ["dangling-in", "src/new"],
  ["src", "src"],
  ["hard", "hard"],
  ["sub/.git/config", "sub/.git/config"],
  [".gitignore", ".gitignore"],
  [".github/x", ".github/x"],
];

test.each(ALLOWED)("may be written: %s", async (path, real) => {
  const { environment, root } = makeWorld({ prepare });
  expect(await environment.canWrite(join(root, path))).toEqual({ allowed: true, real: join(root, real) });
  expect(await environment.canRead(join(root, path))).toEqual({ allowed: true, real: join(root, real) });
});

const REFUSED: [path: string, reason: RegExp][] = [
  ["../outside/file", /it is outside the writable root/],
  ["out/file", /leads to .*\/outside\/file, which is outside/],
  ["out-file", /outside\/file, which is outside/],
  ["out/new/deep", /which is outside/],
  ["dangling", /leads to .*\/outside\/new, which is outside/],
  ["up/outside/x", /which is outside/],
  ["src/chain/x", /which is outside/],
  ["loop", /loop of symlinks/],
  ["loop/x", /loop of symlinks/],
  [".git/config", /\.git of .* is protected/],
  [".git", /is protected/],
  [".GIT/config", /\.GIT of .* is protected/],
  [".Codex/config.toml", /is protected/],
  [".aws/config", /is protected/],
  ["git/hooks/pre-commit", /is protected/],
  ["aws/credentials", /kept from tools and commands/],
  ["environ", /\/proc is not open/],
  ["fifo", /device, pipe or socket/],
  ["a\0b", /NUL byte/],
];

test.each(REFUSED)("may not be written: %s", async (path, reason) => {
  const { environment, root } = makeWorld({ prepare });
  const decision = await environment.canWrite(`${root}/${path}`);
  expect(decision).toEqual({ allowed: false, reason: expect.stringMatching(reason) });
});

test.each([
  "/proc/self/environ",
  "/proc/self/mem",
  "/dev/stdin",
  "/dev/vda",
  "/dev/zero",
  "/sys/kernel/x",
  "/proc/self/fd/0",
])("may be neither read nor written: %s", async (path) => {
  const { environment } = makeWorld({ policy: { roots: ["/"], protectedNames: [] } });
  const read = await environment.canRead(path);
  const write = await environment.canWrite(path);
  // A terminal or file behind a descriptor may be a path that can be judged by itself.
  if (read.allowed) expect(read.real).not.toMatch(/^\/(proc|dev|sys)/);
  if (write.allowed) expect(write.real).not.toMatch(/^\/(proc|dev|sys)/);
});

test("reading: everything but what the policy hides, however it is reached", async () => {
  const { environment, root, base, user, moho } = makeWorld({ prepare });
  expect(await environment.canRead("/etc/passwd")).toMatchObject({ allowed: true });
  expect(await environment.canRead(join(base, "outside/file"))).toMatchObject({ allowed: true });
  expect(await environment.canRead(join(root, ".git/config"))).toMatchObject({ allowed: true });
  for (const path of [
    join(user, ".aws/credentials"),
    join(root, "aws/credentials"),
    join(user, ".ssh"),
    moho,
    `${moho}/sandbox/x`,
  ]) {
    expect(await environment.canRead(path)).toEqual({
      allowed: false,
      reason: expect.stringMatching(/kept from/),
    });
  }
  expect(await environment.canRead("relative")).toMatchObject({ reason: "relative is not an absolute path" });
});

test("read-only: nothing may be written, in words", async () => {
  const { environment, root } = makeWorld({ policy: { mode: "read-only" } });
  const reason = `${root}/a may not be written: the sandbox is read-only`;
  expect(await environment.canWrite(join(root, "a"))).toEqual({ allowed: false, reason });
});

test("the temporary directory counts when the policy says so, and more roots than one", async () => {
  const { base, root, user } = makeWorld();
  const tmp = [join(base, "tmp")];
  mkdirSync(join(base, "tmp"));
  mkdirSync(join(base, "second/.git"), { recursive: true });
  const roots = [root, join(base, "second"), join(base, "second/.git")];
  const { environment } = makeWorld({ policy: { tmpWritable: true, roots }, tmp });
  expect(await environment.canWrite(join(base, "tmp/x"))).toMatchObject({ allowed: true });
  expect(await environment.canWrite(join(base, "second/x"))).toMatchObject({ allowed: true });
  // A root the user names is writable although it is a protected name of another.
  expect(await environment.canWrite(join(base, "second/.git/x"))).toMatchObject({ allowed: true });
  expect(await environment.canWrite(join(base, "second/.codex/x"))).toMatchObject({ allowed: false });
  expect(await environment.canWrite(join(user, "x"))).toMatchObject({
    reason: expect.stringContaining("writable roots"),
  });
});

test("the git directory a worktree points to is protected in process as well", async () => {
  const { base, root } = makeWorld();
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], { stdio: "ignore" });
  git("init", "-q", join(base, "main"));
  git("-C", join(base, "main"), "commit", "--allow-empty", "-qm", "first");
  git("-C", join(base, "main"), "worktree", "add", "-q", join(root, "tree"));
  const { environment } = makeWorld({ policy: { roots: [join(root, "tree"), base] } });
  for (const path of [
    `${base}/main/.git/config`,
    `${base}/main/.git/worktrees/tree/HEAD`,
    `${root}/tree/.git`,
  ]) {
    expect(await environment.canWrite(path)).toMatchObject({ allowed: false });
  }
  expect(await environment.canWrite(`${base}/main/file`)).toMatchObject({ allowed: true });
});
