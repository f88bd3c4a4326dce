/** Every folder of `fixtures/patch` is a case: `input/` and `patch.txt` give `expected/`, or the error in `error.txt`. */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { toMohoError } from "@moho/protocol";
import { afterEach, expect, test } from "vitest";
import { applyPatch, type PatchResult } from "../src/patch/index.ts";
import { inside, newFolder, treeOf } from "./patch-tree.ts";

const FIXTURES = join(import.meta.dirname, "fixtures/patch");
const cases = readdirSync(FIXTURES, { withFileTypes: true }).filter((entry) => entry.isDirectory());

let root = "";
afterEach(() => rmSync(dirname(root), { recursive: true, force: true }));

test.each(cases.map((entry) => entry.name))("%s", async (name) => {
  const folder = join(FIXTURES, name);
  root = newFolder();
  if (existsSync(join(folder, "input"))) cpSync(join(folder, "input"), root, { recursive: true });
  const before = treeOf(root);
  const patch = readFileSync(join(folder, "patch.txt"), "utf8");
  const outcome = await attempt(patch);
  if (existsSync(join(folder, "error.txt"))) {
    expect(outcome).toBe(readFileSync(join(folder, "error.txt"), "utf8").trimEnd());
    expect(treeOf(root)).toEqual(before);
    return;
  }
  const expected = existsSync(join(folder, "expected")) ? filesOnly(treeOf(join(folder, "expected"))) : {};
  expect(outcome).toMatchObject({ summary: expect.any(String) });
  expect(filesOnly(treeOf(root))).toEqual(expected);

  // The diffs shown to people are patches themselves, and say the same.
  const diffs = (outcome as PatchResult).changes.map((change) => change.diff).join("");
  if (diffs === "" || name.startsWith("latin1-")) return;
  rmSync(root, { recursive: true });
  mkdirSync(root);
  if (existsSync(join(folder, "input"))) cpSync(join(folder, "input"), root, { recursive: true });
  expect(await attempt(diffs)).toMatchObject({ summary: expect.any(String) });
  expect(filesOnly(treeOf(root))).toEqual(expected);
});

function attempt(patch: string): Promise<PatchResult | string> {
  return applyPatch(patch, { root, canWrite: inside(root) }).catch((error: unknown) => {
    const { code, message } = toMohoError(error);
    return `${code}: ${message.replaceAll(dirname(root), "TMP")}`;
  });
}

test("there are enough cases to mean something", () => {
  expect(cases.length).toBeGreaterThanOrEqual(60);
});

/** Modes narrow to the executable bit: the rest is the umask's, and git's, to say. */
function filesOnly(tree: Record<string, string>): Record<string, string> {
  const files = Object.entries(tree).filter(([, value]) => value !== "folder");
  return Object.fromEntries(
    files.map(([path, value]) => [path, value.replace(/^7../, "x").replace(/^6../, "-")]),
  );
}
