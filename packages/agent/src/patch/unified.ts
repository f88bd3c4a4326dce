/** Unified diffs as git, GNU diff and models write them: renames, modes, /dev/null, odd paths, wrong counts. */

import type { Cursor } from "./cursor.ts";
import { readHunks } from "./hunks.ts";
import { type FilePatch, type Hunk, invalidPatch } from "./types.ts";

const HUNK_HEADER = /^@@+ -\d/;
/** Lines that tools put between files and that say nothing about content. */
const NOISE = /^(?:Index: |={10,}$|diff |Only in |index [0-9a-f]|(?:dis)?similarity index )/;

const FENCE = /^(?:`{3,}|~{3,})/;

/** What the lines above a file's first hunk say. */
interface Head {
  at: number;
  oldPath?: string;
  newPath?: string;
  renameFrom?: string;
  renameTo?: string;
  created: boolean;
  deleted: boolean;
  executable: boolean | undefined;
}

export function isUnified(cursor: Cursor): boolean {
  for (let i = 0; cursor.peek(i) !== undefined; i++) {
    if (startsFile(cursor, i)) return true;
  }
  return false;
}

/** Reads to the end. Prose above the first file (a mail, a commit message) is skipped, as patch(1) does. */
export function readUnified(cursor: Cursor): FilePatch[] {
  const files: FilePatch[] = [];
  let prose = true;
  while (!cursor.done) {
    const at = cursor.at;
    if (startsFile(cursor)) {
      const head = readHead(cursor);
      const hunks = readHunks(cursor, (line, promised) => endsHunks(cursor, line, promised));
      files.push(toFilePatch(head, hunks));
      prose = false;
      continue;
    }
    const line = cursor.take().trimEnd();
    if (line === "--" || FENCE.test(line)) prose = true;
    else if (!prose && line !== "" && !NOISE.test(line)) {
      throw invalidPatch(at, `${JSON.stringify(line.slice(0, 60))} is no part of a diff`);
    }
  }
  return files;
}

function startsFile(cursor: Cursor, ahead = 0): boolean {
  const line = cursor.peek(ahead)!;
  if (line.startsWith("diff --git ")) return true;
  return line.startsWith("--- ") && (cursor.peek(ahead + 1)?.startsWith("+++ ") ?? false);
}

/** A line ends the hunks when it cannot be content, or when the counts are used up and it looks like a header. */
function endsHunks(cursor: Cursor, line: string, promised: { old: number; new: number }): boolean {
  const complete = promised.old <= 0 && promised.new <= 0;
  if (line.startsWith("--- ") && startsFile(cursor)) {
    const lastTwo = promised.old === 1 && promised.new === 1;
    return complete || (HUNK_HEADER.test(cursor.peek(2) ?? "") && !lastTwo);
  }
  if (complete && (line === "-- " || line === "--")) return true;
  return line.startsWith("diff --git ") || (complete && line !== "" && !/^[ +\-\\\r]/.test(line));
}

function readHead(cursor: Cursor): Head {
  const head: Head = { at: cursor.at, created: false, deleted: false, executable: undefined };
  if (cursor.peek()!.startsWith("diff --git ")) {
    Object.assign(head, gitPaths(cursor.take().trimEnd().slice("diff --git ".length)));
    while (!cursor.done && readExtended(cursor.peek()!.trimEnd(), cursor.at, head)) cursor.take();
  }
  if (cursor.peek()?.startsWith("--- ") && cursor.peek(1)?.startsWith("+++ ")) {
    head.oldPath = headerPath(cursor.take());
    head.newPath = headerPath(cursor.take());
  }
  return head;
}

/** One extended header line of git; false when the line is not one. */
function readExtended(line: string, at: number, head: Head): boolean {
  const mode = /^(old|new|new file|deleted file) mode (\d{6})$/.exec(line);
  if (mode) {
    if (!mode[2]!.startsWith("100"))
      throw invalidPatch(at, `only regular files can be patched, not mode ${mode[2]}`);
    if (mode[1]!.startsWith("new")) head.executable = mode[2] === "100755";
    head.created ||= mode[1] === "new file";
    head.deleted ||= mode[1] === "deleted file";
    return true;
  }
  if (line.startsWith("rename from ")) head.renameFrom = unquote(line.slice(12));
  else if (line.startsWith("rename to ")) head.renameTo = unquote(line.slice(10));
  else if (/^copy (?:from|to) /.test(line))
    throw invalidPatch(at, "copies are not supported: add the new file");
  else if (/^(?:Binary files |GIT binary patch)/.test(line))
    throw invalidPatch(at, "binary changes are not supported");
  else return /^(?:index |(?:dis)?similarity index )/.test(line);
  return true;
}

function toFilePatch(head: Head, hunks: Hunk[]): FilePatch {
  const { at, executable } = head;
  const [from, to] = paths(head);
  if (head.created || from === undefined) {
    return { kind: "add", at, path: to ?? from!, content: createdContent(hunks), executable };
  }
  if (head.deleted || to === undefined) return { kind: "delete", at, path: from, hunks };
  const moveTo = from === to ? undefined : to;
  if (hunks.length === 0 && moveTo === undefined && executable === undefined) {
    throw invalidPatch(at, "the diff of this file has no hunk", to);
  }
  return { kind: "update", at, path: from, moveTo, hunks, executable };
}

/** Old and new path; undefined stands for /dev/null. Prefixes `a/` and `b/` go when they come as a pair. */
function paths(head: Head): [string | undefined, string | undefined] {
  if (head.renameFrom !== undefined && head.renameTo !== undefined) return [head.renameFrom, head.renameTo];
  const { oldPath, newPath } = head;
  if (oldPath === undefined || newPath === undefined) {
    throw invalidPatch(head.at, "the paths of this file cannot be told from its header");
  }
  const absent = (path: string) => path === "/dev/null";
  if (absent(oldPath) && absent(newPath))
    throw invalidPatch(head.at, "both sides of this file are /dev/null");
  const prefixed =
    (absent(oldPath) || oldPath.startsWith("a/")) && (absent(newPath) || newPath.startsWith("b/"));
  if (absent(oldPath)) return [undefined, prefixed ? newPath.slice(2) : newPath];
  if (absent(newPath)) return [prefixed ? oldPath.slice(2) : oldPath, undefined];
  // Without prefixes (`diff -u x.orig x`) the new name is the file's; a pair that differs is a rename.
  return prefixed ? [oldPath.slice(2), newPath.slice(2)] : [newPath, newPath];
}

function createdContent(hunks: readonly Hunk[]): string {
  let content = "";
  for (const hunk of hunks) {
    for (const line of hunk.lines) {
      if (line.op !== "+") throw invalidPatch(line.at, "a new file has only lines that start with '+'");
      content += line.text + (line.cr ? "\r\n" : "\n");
    }
    if (hunk.finalNewline === false) content = content.replace(/\r?\n$/, "");
  }
  return content;
}

/** `a/x b/x` of a `diff --git` line, when both sides are the same path or are quoted. */
function gitPaths(rest: string): { oldPath?: string; newPath?: string } {
  const quoted = /^("(?:[^"\\]|\\.)*") ("(?:[^"\\]|\\.)*")$/.exec(rest);
  if (quoted) return { oldPath: unquote(quoted[1]!), newPath: unquote(quoted[2]!) };
  const half = (rest.length - 1) / 2;
  const [left, right] = [rest.slice(0, half), rest.slice(half + 1)];
  const same = Number.isInteger(half) && rest[half] === " " && left.slice(2) === right.slice(2);
  return same ? { oldPath: left, newPath: right } : {};
}

/** The path of a `---` or `+++` line: up to a tab (a time follows), unquoted. */
function headerPath(line: string): string {
  const rest = line.slice(4).trimEnd();
  return rest.startsWith('"') ? unquote(rest) : rest.split("\t")[0]!.trimEnd();
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" };

/** Undoes git's C-style quoting; octal escapes are UTF-8 bytes. */
function unquote(text: string): string {
  const match = /^"((?:[^"\\]|\\.)*)"/.exec(text);
  if (!match) return text;
  const bytes: Buffer[] = [];
  for (const [part, octal, letter] of match[1]!.matchAll(/\\([0-7]{3})|\\(.)|[^\\]+/g)) {
    if (octal !== undefined) bytes.push(Buffer.from([Number.parseInt(octal, 8) & 255]));
    else bytes.push(Buffer.from(letter === undefined ? part : (ESCAPES[letter] ?? letter)));
  }
  return Buffer.concat(bytes).toString();
}
