/** Git as the judge: its diffs of random trees give the same tree through us, and ours give it through git. */

import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { applyPatch } from "../src/patch/index.ts";
import { type Random, random } from "./patch-random.ts";
import { inside, newFolder, treeOf } from "./patch-tree.ts";

const NAMES = ["a.txt", "b c.txt", "d/e.txt", 'd/f"q.txt', "g\té.txt"];
const LINES = ["", "}", "{", "-- a", "++ b", "  x", "@@ -1 +1 @@", "\\ x", "é"];

function randomText(r: Random, eols: readonly string[]): string {
  const line = () => (r.chance(0.5) ? r.pick(LINES) : `l${r.below(99)}`) + r.pick(eols);
  const text = Array.from({ length: r.below(30) }, line).join("");
  // In a file of mixed endings a last line without one leaves open which the next lines take.
  return eols.length === 1 && r.chance(0.2) ? text.replace(/\r?\n$/, "") : text;
}

function put(root: string, name: string, text: string): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), text);
}

function change(r: Random, root: string, name: string, eols: readonly string[]): void {
  const path = join(root, name);
  const kind = r.below(5);
  if (!existsSync(path)) {
    if (kind > 1) put(root, name, randomText(r, eols));
  } else if (kind === 0) {
    rmSync(path);
  } else if (kind === 1) {
    put(root, `moved/${name.replace(/\W/g, "_")}`, readFileSync(path, "utf8"));
    rmSync(path);
  } else if (kind === 2) {
    chmodSync(path, 0o755);
  } else {
    const lines: string[] = readFileSync(path, "utf8").match(/[^\n]*\n|[^\n]+$/g) ?? [];
    lines.splice(r.below(lines.length + 1), r.below(3), `new${r.below(9)}${r.pick(eols)}`);
    const ended = lines.map((line, i) =>
      line.endsWith("\n") || i === lines.length - 1 ? line : `${line}\n`,
    );
    writeFileSync(path, ended.join(""));
  }
}

function filesOf(root: string): Record<string, string> {
  const entries = Object.entries(treeOf(root));
  return Object.fromEntries(
    entries.filter(([path, value]) => !path.startsWith(".git") && value !== "folder"),
  );
}

test.skipIf(spawnSync("git", ["--version"]).status !== 0)("git and we agree on random trees", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const r = random(seed * 7919);
    const [theirs, ours] = [newFolder(), newFolder()];
    const git = (...args: string[]) => {
      const identity = ["-c", "core.autocrlf=false", "-c", "user.name=t", "-c", "user.email=t@example.com"];
      return execFileSync("git", [...identity, ...args], { cwd: theirs, stdio: "pipe" }).toString();
    };
    git("init", "-q");
    const eols = r.pick([["\n"], ["\r\n"], ["\n", "\r\n"]]);
    for (const name of NAMES.filter(() => r.chance(0.8))) {
      const text = randomText(r, eols);
      for (const root of [theirs, ours]) put(root, name, text);
    }
    git("add", "-A");
    git("commit", "-q", "--allow-empty", "-m", "before");
    for (const name of NAMES) change(r, theirs, name, eols);
    git("add", "-A");
    const patch = git("diff", "--cached", "-M", eols.length > 1 ? "-U3" : `-U${r.below(4)}`);
    if (patch === "") continue;

    const wanted = filesOf(theirs);
    const result = await applyPatch(patch, { root: ours, canWrite: inside(ours) });
    expect(filesOf(ours), `seed ${seed}`).toEqual(wanted);

    git("reset", "-q", "--hard", "HEAD");
    const file = join(dirname(ours), "ours.patch");
    writeFileSync(file, result.changes.map((each) => each.diff).join(""));
    git("apply", "--whitespace=nowarn", file);
    expect(filesOf(theirs), `seed ${seed}`).toEqual(wanted);
    for (const root of [theirs, ours]) rmSync(dirname(root), { recursive: true });
  }
});
