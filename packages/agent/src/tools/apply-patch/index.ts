/** `apply_patch`: edits files in process, all of them or none. */

import { APPLY_PATCH_CUSTOM, APPLY_PATCH_FUNCTION, applyPatch, parsePatch } from "../../patch/index.ts";
import { type ObjectSchema, readArguments } from "../arguments.ts";
import type { Action, Tool } from "../tool.ts";

export const tool: Tool = {
  name: "apply_patch",
  spec: (info) => (info.patchTool === "custom" ? APPLY_PATCH_CUSTOM : APPLY_PATCH_FUNCTION),
  prepare({ text, custom }, { cwd }) {
    const schema = APPLY_PATCH_FUNCTION.parameters as unknown as ObjectSchema;
    return patchAction(custom ? text : readArguments<{ input: string }>(text, schema).input, cwd);
  },
};

/** The action of a patch text whose paths start at `root`. Throws `invalid_patch` when it cannot be read. */
export function patchAction(text: string, root: string): Action {
  const announced = parsePatch(text).files.map(({ kind, path }) => ({ path, kind }));
  return {
    wants: { writes: true, escalates: false },
    reads: false,
    item: { type: "file_change", changes: announced, status: "in_progress" },
    async run({ environment }) {
      const canWrite = (path: string) => environment.canWrite(path);
      const { changes, summary } = await applyPatch(text, { root, canWrite });
      const shown = changes.map(({ path, kind }) => ({ path, kind }));
      return { output: summary, item: { type: "file_change", changes: shown, status: "completed" } };
    },
  };
}
