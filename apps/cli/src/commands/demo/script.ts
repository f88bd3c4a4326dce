/** What the scripted model of the demo answers: plan, look, repair, prove. */

import type { ScriptTurn } from "@moho/model";

const PATCH = `*** Begin Patch
*** Update File: src/slug.js
@@ export function slug(title) {
   return title
     .toLowerCase()
-    .replace(/[^a-z0-9]/g, "-")
+    .replace(/[^a-z0-9]+/g, "-")
     .replace(/^-|-$/g, "");
 }
*** End Patch
`;

const plan = (...done: boolean[]) => {
  const steps = ["Run the tests", "Repair slug()", "Run the tests again"];
  return {
    type: "function_call" as const,
    name: "update_plan",
    arguments: {
      plan: steps.map((step, i) => ({
        step,
        status: done[i] ? "completed" : i === done.length ? "in_progress" : "pending",
      })),
    },
  };
};
const run = (cmd: string) => ({ type: "function_call" as const, name: "exec_command", arguments: { cmd } });
const usage = (fresh: number, cached: number, output: number) => ({
  input: fresh,
  cacheRead: cached,
  output,
});

export const SCRIPT: readonly ScriptTurn[] = [
  { items: [plan(), run("node --test")], usage: usage(2100, 0, 96) },
  { items: [run("cat src/slug.js test/slug.test.js")], usage: usage(900, 2048, 31) },
  {
    items: [{ type: "custom_tool_call", name: "apply_patch", input: PATCH }, plan(true, true)],
    usage: usage(420, 2944, 142),
  },
  { items: [run("node --test")], usage: usage(260, 3328, 28) },
  { items: [plan(true, true, true)], usage: usage(150, 3584, 36) },
  {
    items: [
      {
        type: "message",
        text:
          "`slug()` turned every character that is no letter or digit into a dash of its own, so runs of " +
          "punctuation became several dashes and only one was trimmed at each end. It now replaces a whole run " +
          "by one dash. Both tests pass.",
      },
    ],
    usage: usage(310, 3584, 74),
  },
];
