/** Codex's envelope: `*** Begin Patch`, then files, then `*** End Patch`, read tolerantly. */

import type { Cursor } from "./cursor.ts";
import { hunkLine, readHunks } from "./hunks.ts";
import { type FilePatch, type HunkLine, invalidPatch } from "./types.ts";

const BEGIN = "*** Begin Patch";
const END = "*** End Patch";
const FILE = /^\*\*\* (Add|Delete|Update) File:[ \t]*(\S.*)$/i;
const MOVE = /^\*\*\* Move to:[ \t]*(\S.*)$/i;

export function isEnvelope(line: string): boolean {
  return line.trim() === BEGIN || FILE.test(line.trim());
}

/** Reads to the end. A missing begin or end marker is repaired; text that belongs nowhere is refused. */
export function readEnvelope(cursor: Cursor): FilePatch[] {
  const files: FilePatch[] = [];
  let ended = false;
  while (!cursor.done) {
    const at = cursor.at;
    const line = cursor.take().trim();
    const file = FILE.exec(line);
    if (line === END) ended = true;
    else if (line === BEGIN && (ended || files.length === 0)) ended = false;
    else if (file && !ended) files.push(readFile(cursor, file[1]!.toLowerCase(), file[2]!.trimEnd(), at));
    else if (line !== "") throw invalidPatch(at, unexpected(line, ended));
  }
  return files;
}

function readFile(cursor: Cursor, verb: string, path: string, at: number): FilePatch {
  if (verb === "add") return { kind: "add", at, path, content: readContent(cursor), executable: undefined };
  if (verb === "delete") return { kind: "delete", at, path, hunks: [] };
  const move = MOVE.exec(cursor.peek()?.trim() ?? "");
  if (move) cursor.take();
  const hunks = readHunks(cursor, (line) => line.startsWith("*** ") && line.trimEnd() !== "*** End of File");
  if (hunks.length === 0 && !move) throw invalidPatch(at, "the update has no hunk", path);
  return { kind: "update", at, path, moveTo: move?.[1]?.trimEnd(), hunks, executable: undefined };
}

/** The `+` lines of a new file; an empty line between two of them lost its `+`. */
function readContent(cursor: Cursor): string {
  const lines: HunkLine[] = [];
  let blanks: HunkLine[] = [];
  for (let line = cursor.peek(); line !== undefined; line = cursor.peek()) {
    const blank = line === "" || line === "\r";
    if (line.trimEnd() === "*** End of File") cursor.take();
    else if (!line.startsWith("+") && !blank) break;
    else if (blank) blanks.push(hunkLine("+", cursor.take(), cursor.at - 1));
    else {
      lines.push(...blanks, hunkLine("+", cursor.take().slice(1), cursor.at - 1));
      blanks = [];
    }
  }
  return lines.map((line) => line.text + (line.cr ? "\r\n" : "\n")).join("");
}

function unexpected(line: string, ended: boolean): string {
  if (ended) return `text after ${END}: send one patch and nothing else`;
  const shown = JSON.stringify(line.slice(0, 60));
  return `expected "*** Add File:", "*** Update File:", "*** Delete File:" or "${END}", not ${shown} (a line of a new file starts with '+')`;
}
