/** From the text a model wrote to what it means. Pure. */

import { openPatch } from "./cursor.ts";
import { isEnvelope, readEnvelope } from "./envelope.ts";
import { invalidPatch, type Patch } from "./types.ts";
import { isUnified, readUnified } from "./unified.ts";

/**
 * Reads Codex's envelope or a unified diff. Code fences, a heredoc around the patch, CRLF and a missing begin or
 * end marker are repaired; anything that could hide an instruction is refused.
 * Throws `invalid_patch` naming the line of the text.
 */
export function parsePatch(text: string): Patch {
  const { cursor, folder } = openPatch(text);
  const at = cursor.at;
  const files = isEnvelope(cursor.peek()!)
    ? readEnvelope(cursor)
    : isUnified(cursor)
      ? readUnified(cursor)
      : undefined;
  if (files === undefined) {
    throw invalidPatch(at, 'expected "*** Begin Patch" or a unified diff ("--- a/file", "+++ b/file")');
  }
  if (files.length === 0) throw invalidPatch(at, "the patch names no file");
  for (const file of files) {
    checkPath(file.path, file.at);
    if (file.kind === "update" && file.moveTo !== undefined) checkPath(file.moveTo, file.at);
  }
  return { folder, files };
}

function checkPath(path: string, at: number): void {
  if (path === "" || path.includes("\0")) throw invalidPatch(at, "a path is empty or contains a NUL");
  if (/[/\\]$/.test(path)) throw invalidPatch(at, "the path is that of a folder", path);
}
