/** `apply_patch`, in process and atomic. */

export { applyPatch, type PatchChange, type PatchOptions, type PatchResult } from "./apply.ts";
export { isPatchCommand } from "./cursor.ts";
export { unifiedDiff } from "./diff.ts";
export { diskFiles, type PatchFiles } from "./disk.ts";
export { parsePatch } from "./parse.ts";
export { APPLY_PATCH_CUSTOM, APPLY_PATCH_FUNCTION, APPLY_PATCH_GRAMMAR } from "./tool.ts";
