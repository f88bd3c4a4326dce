/** The demo's small real repository: a function with a bug, and a test that shows it. */

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const FILES: Record<string, string> = {
  "package.json": `{
  "name": "slug",
  "type": "module",
  "scripts": { "test": "node --test" }
}
`,
  "README.md": `# slug

Turns a title into the last part of a web address.
`,
  "src/slug.js": `/** "Hello, World!" becomes "hello-world". */
export function slug(title) {
  return title
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "-")
    .replace(/^-|-$/g, "");
}
`,
  "test/slug.test.js": `import assert from "node:assert/strict";
import { test } from "node:test";
import { slug } from "../src/slug.js";

test("one word", () => {
  assert.equal(slug("Moho"), "moho");
});

test("punctuation and spaces become one dash", () => {
  assert.equal(slug("Hello, World!"), "hello-world");
  assert.equal(slug("  crust -- and mantle  "), "crust-and-mantle");
});
`,
};

/** Writes the repository and commits it; the folder must not exist. */
export function makeRepository(folder: string): void {
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const git = (...args: string[]) => execFileSync("git", ["-C", folder, ...args], { stdio: "ignore" });
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git(
    "-c",
    "user.name=Moho demo",
    "-c",
    "user.email=demo@localhost",
    "commit",
    "-q",
    "-m",
    "A slug, almost right",
  );
}
