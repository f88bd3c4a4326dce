/** Reads the hunks of one file: `@@` headers of either form and lines that start with ' ', '+', '-' or '\'. */

import type { Cursor } from "./cursor.ts";
import { type Hunk, type HunkLine, invalidPatch } from "./types.ts";

const RANGES = /^@@+ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@/;
const NO_SCOPE = /^(?:\.{3}|…)?(?:\s*@@)?$/;

/** How many lines the header of a unified hunk still promises. Only a hint: models miscount. */
interface Promised {
  old: number;
  new: number;
}

/** Reads hunks until `ends` says that the next line is not theirs. */
export function readHunks(cursor: Cursor, ends: (line: string, promised: Promised) => boolean): Hunk[] {
  const hunks: Hunk[] = [];
  let open = false;
  let promised: Promised = { old: 0, new: 0 };
  // Empty lines without their leading space: context when more follows, spacing when they close a hunk.
  let blanks: HunkLine[] = [];
  while (!cursor.done) {
    const line = cursor.peek()!;
    const current = open ? hunks.at(-1)! : undefined;
    if (line.startsWith("@@")) {
      blanks = [];
      const more = current !== undefined && current.lines.length === 0 && current.above === undefined;
      const hunk = more ? current : openHunk(hunks, cursor.at);
      promised = readHeader(cursor.take().trimEnd(), cursor.at - 1, hunk);
      open = true;
    } else if (ends(line, promised)) {
      break;
    } else if (line.trimEnd() === "*** End of File" && current !== undefined) {
      current.atEnd = true;
      open = false;
      blanks = [];
      cursor.take();
    } else {
      const hunk = current ?? openHunk(hunks, cursor.at);
      open = true;
      const { blank, read } = readLine(cursor, hunk, promised);
      if (read === undefined) continue;
      if (!blank) hunk.lines.push(...blanks.splice(0), read);
      else blanks.push(read);
    }
  }
  return hunks.filter((hunk) => hunk.lines.length > 0 || hunk.scopes.length > 0);
}

function openHunk(hunks: Hunk[], at: number): Hunk {
  hunks.push({ at, scopes: [], above: undefined, lines: [], atEnd: false, finalNewline: undefined });
  return hunks.at(-1)!;
}

function readHeader(header: string, at: number, hunk: Hunk): Promised {
  const ranges = RANGES.exec(header);
  if (ranges) {
    const old = Number(ranges[2] ?? 1);
    hunk.above = old === 0 ? Number(ranges[1]) : Math.max(0, Number(ranges[1]) - 1);
    return { old, new: Number(ranges[4] ?? 1) };
  }
  const text = header.slice(2).replace(/^ /, "");
  if (!NO_SCOPE.test(text.trim())) hunk.scopes.push({ text, at });
  return { old: 0, new: 0 };
}

function readLine(cursor: Cursor, hunk: Hunk, promised: Promised): { blank: boolean; read?: HunkLine } {
  const at = cursor.at;
  const raw = cursor.take();
  if (raw.startsWith("\\ ")) {
    const last = hunk.lines.at(-1);
    if (last === undefined) throw invalidPatch(at, "there is no line above that could lack its newline");
    // After a removed line it speaks of the old file: the result then has a newline, unless said again.
    hunk.finalNewline = last.op === "-";
    return { blank: false };
  }
  const blank = raw === "" || raw === "\r";
  const op = blank ? " " : raw[0]!;
  if (op !== " " && op !== "+" && op !== "-") {
    throw invalidPatch(
      at,
      `a line of a hunk starts with ' ', '+' or '-', this one with ${JSON.stringify(op)}`,
    );
  }
  if (op !== "+") promised.old--;
  if (op !== "-") promised.new--;
  return { blank, read: hunkLine(op, blank ? raw : raw.slice(1), at) };
}

export function hunkLine(op: HunkLine["op"], rest: string, at: number): HunkLine {
  const cr = rest.endsWith("\r");
  const text = cr ? rest.slice(0, -1) : rest;
  if (!text.isWellFormed()) throw invalidPatch(at, "half of a surrogate pair cannot be written as UTF-8");
  return { op, text, cr, at };
}
