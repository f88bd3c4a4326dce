/** What a model is shown must be what the reader takes. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  APPLY_PATCH_CUSTOM,
  APPLY_PATCH_FUNCTION,
  APPLY_PATCH_GRAMMAR,
  parsePatch,
} from "../src/patch/index.ts";

/** The grammar has no recursion, so it is one regular expression. */
function compiled(grammar: string): RegExp {
  const rules = new Map(
    grammar
      .trim()
      .split("\n")
      .map((line) => line.split(/: (.*)/s) as [string, string]),
  );
  const expand = (name: string): string => {
    const body = rules.get(name)!;
    if (body.startsWith('"')) return JSON.parse(body).replace(/[*+.?]/g, "\\$&");
    if (body.startsWith("/")) return body.slice(1, -1);
    return body
      .replaceAll(" ", "\0")
      .replace(/\w+/g, (part) => `(?:${expand(part)})`)
      .replaceAll("\0", "");
  };
  return new RegExp(`^${expand("start")}$`);
}

test("the grammar admits what the reader takes, and the example in the description", () => {
  const grammar = compiled(APPLY_PATCH_GRAMMAR);
  const example = `${/\*\*\* Begin Patch.*\*\*\* End Patch/s.exec(APPLY_PATCH_FUNCTION.description!)![0]}\n`;
  expect(grammar.test(example)).toBe(true);
  expect(parsePatch(example).files.map((file) => file.kind)).toEqual(["add", "update", "delete"]);

  const fixtures = join(import.meta.dirname, "fixtures/patch");
  let admitted = 0;
  for (const name of readdirSync(fixtures)) {
    if (name.startsWith(".")) continue;
    const text = readFileSync(join(fixtures, name, "patch.txt"), "utf8");
    if (!grammar.test(text) || name === "nul-in-path" || name === "path-of-a-folder") continue;
    admitted++;
    expect(() => parsePatch(text), name).not.toThrow();
  }
  expect(admitted).toBeGreaterThan(40);
});

test.each([
  "*** Begin Patch\n*** End Patch\n",
  "*** Begin Patch\n*** Add File: a\nx\n*** End Patch\n",
  "*** Begin Patch\n*** Update File: a\n@@\n*** End Patch\n",
  "*** Update File: a\n-x\n",
])("the grammar does not admit %j", (text) => {
  expect(compiled(APPLY_PATCH_GRAMMAR).test(text)).toBe(false);
});

test("both forms of the tool carry the same name, and the function one argument", () => {
  expect(APPLY_PATCH_CUSTOM.name).toBe(APPLY_PATCH_FUNCTION.name);
  expect(APPLY_PATCH_FUNCTION.parameters["required"]).toEqual(["input"]);
});
