/** Random edits: the diff of two texts, as a patch, turns the one into the other, whatever their endings. */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { applyPatch, unifiedDiff } from "../src/patch/index.ts";
import { type Random, random } from "./patch-random.ts";
import { inside, newFolder } from "./patch-tree.ts";

let root = "";
beforeEach(() => {
  root = newFolder();
});
afterEach(() => rmSync(dirname(root), { recursive: true, force: true }));

const EOLS = { lf: ["\n"], crlf: ["\r\n"], mixed: ["\n", "\r\n"] };
const WORDS = ["", " ", "}", "{", "  return;", "--", "++", "@@", "*** End Patch", "\\ x", "-- a", "é“x”"];

async function patched(before: string, patch: string): Promise<string> {
  writeFileSync(join(root, "f.txt"), before);
  await applyPatch(patch, { root, canWrite: inside(root) });
  return readFileSync(join(root, "f.txt"), "utf8");
}

function randomText(r: Random, eols: readonly string[], line: () => string): string {
  const lines = Array.from({ length: r.below(40) }, () => line() + r.pick(eols));
  const text = lines.join("");
  return r.chance(0.3) ? text.replace(/\r?\n$/, "") : text;
}

function edited(r: Random, text: string, eols: readonly string[], line: () => string): string {
  let lines: string[] = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  for (let i = r.below(5); i >= 0; i--) {
    const at = r.below(lines.length + 1);
    const fresh = Array.from({ length: r.below(4) }, () => line() + r.pick(eols));
    lines = [...lines.slice(0, at), ...fresh, ...lines.slice(at + r.below(4))];
  }
  const result = lines.map((l, i) => (l.endsWith("\n") || i === lines.length - 1 ? l : `${l}\n`)).join("");
  return r.chance(0.2) ? result.replace(/\r?\n$/, "") : result;
}

test.each(Object.entries(EOLS))("a unified diff reproduces the target exactly: %s", async (_name, eols) => {
  for (let seed = 1; seed <= 150; seed++) {
    const r = random(seed);
    const line = () => (r.chance(0.5) ? r.pick(WORDS) : `line ${r.below(1000)}`);
    const before = randomText(r, eols, line);
    const after = edited(r, before, eols, line);
    if (before === after) continue;
    const patch = unifiedDiff(before, after, { kind: "update", path: "f.txt" });
    expect(await patched(before, patch), `seed ${seed}`).toBe(after);
  }
});

test.each(["\n", "\r\n"])("an envelope in LF does so where lines are unique: %j", async (eol) => {
  for (let seed = 1; seed <= 150; seed++) {
    const r = random(seed);
    let count = 0;
    const line = () => `${r.pick(["", "  "])}line ${count++}`;
    const before = randomText(r, [eol], line) || `x${eol}`;
    const after = edited(r, before, [eol], line);
    const ends = (text: string) => text === "" || text.endsWith("\n");
    if (before === after || ends(before) !== ends(after)) continue;
    const hunks = unifiedDiff(before, after, { kind: "update", path: "f.txt" })
      .split("\n")
      .filter((each) => !/^(diff|---|\+\+\+|\\) /.test(each))
      .map((each) => (each.startsWith("@@ ") ? "@@" : each.replace(/\r$/, "")));
    const patch = ["*** Begin Patch", "*** Update File: f.txt", ...hunks.slice(0, -1), "*** End Patch"].join(
      "\n",
    );
    expect(await patched(before, patch), `seed ${seed}`).toBe(after);
  }
});

test("texts beyond the diff's bound are still exact, as one replacement", async () => {
  const before = Array.from({ length: 3000 }, (_, i) => `a${i}\n`).join("");
  const after = Array.from({ length: 3000 }, (_, i) => (i % 2 ? `a${i}\n` : `b${i}\n`)).join("");
  const patch = unifiedDiff(before, after, { kind: "update", path: "f.txt" });
  expect(await patched(before, patch)).toBe(after);
});

test("a diff too long to show is cut and says so", () => {
  const after = "x".repeat(1000).concat("\n").repeat(1000);
  const diff = unifiedDiff("", after, { kind: "add", path: "f.txt" });
  expect(diff.length).toBeLessThan(300_000);
  expect(diff.endsWith("… the diff is longer than is shown here\n")).toBe(true);
});
