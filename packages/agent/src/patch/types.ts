/** What a patch says, whichever form it was written in. Line numbers (`at`) count the patch text from 1. */

import { MohoError } from "@moho/protocol";

export interface HunkLine {
  /** Keep, add or remove. */
  op: " " | "+" | "-";
  text: string;
  /** The patch spelled this line with CRLF while its own headers end in LF. */
  cr: boolean;
  at: number;
}

export interface Hunk {
  at: number;
  /** `@@ class A` then `@@ def f`: each is found below the one before it. */
  scopes: { text: string; at: number }[];
  /** Where a unified diff says this hunk sits: lines of the old file above it. */
  above: number | undefined;
  lines: HunkLine[];
  /** `*** End of File`: the old lines are the file's last. */
  atEnd: boolean;
  /** What `\ No newline at end of file` says about the result; undefined leaves the file's own way. */
  finalNewline: boolean | undefined;
}

export type FilePatch =
  | { kind: "add"; at: number; path: string; content: string; executable: boolean | undefined }
  | { kind: "delete"; at: number; path: string; hunks: Hunk[] }
  | {
      kind: "update";
      at: number;
      path: string;
      moveTo: string | undefined;
      hunks: Hunk[];
      executable: boolean | undefined;
    };

export interface Patch {
  /** From `cd folder && apply_patch <<'EOF'`; `""` otherwise. Paths are relative to it. */
  folder: string;
  files: FilePatch[];
}

/** An `invalid_patch` that names the line of the patch text and, when known, the file. */
export function invalidPatch(at: number, message: string, path?: string): MohoError {
  const where = path === undefined ? `patch line ${at}` : `${path}: patch line ${at}`;
  return new MohoError("invalid_patch", `${where}: ${message}`, { details: { line: at, path } });
}
