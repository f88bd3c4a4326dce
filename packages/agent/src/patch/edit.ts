/** Applies hunks to a file's lines. All places are found in the file as it was, so hunks may come in any order. Pure. */

import { findPlace, Searched } from "./match.ts";
import type { Line, TextFile } from "./text-file.ts";
import { type Hunk, type HunkLine, invalidPatch } from "./types.ts";

/**
 * The file after the hunks. Lines that are not removed keep their own text, bytes and endings; added ones take the
 * endings around them (their own when the hunk spells CRLF out); a missing final newline stays missing.
 * Throws `invalid_patch`.
 */
export function editText(file: TextFile, hunks: readonly Hunk[], path: string): TextFile {
  const searched = new Searched(file.lines.map((line) => line.text));
  const removed = new Set<number>();
  const added = new Map<number, Line[]>();
  let finalNewline = file.lines.length === 0 || file.lines.at(-1)!.eol !== "";
  for (const written of hunks) {
    const hunk = file.bom ? withoutBom(written) : written;
    const old = hunk.lines.filter((line) => line.op !== "+");
    const place = findPlace(searched, hunk, old, path);
    const explicit = hunk.lines.some((line) => line.cr);
    let at = place;
    let replaced: number[] = [];
    for (const line of hunk.lines) {
      if (line.op === "+") {
        const near = replaced.shift() ?? at - 1;
        const eol = explicit ? (line.cr ? "\r\n" : "\n") : endingNear(file.lines, near);
        if (!file.utf8) refuseDamage(line, path);
        const index = Math.min(at, file.lines.length);
        if (!added.has(index)) added.set(index, []);
        added.get(index)!.push({ text: line.text, eol });
        continue;
      }
      if (line.op === "-") {
        searched.remove(at);
        removed.add(at);
        replaced.push(at);
      } else {
        replaced = [];
      }
      at++;
    }
    searched.next = Math.min(at, file.lines.length);
    if (hunk.finalNewline !== undefined && at >= file.lines.length) finalNewline = hunk.finalNewline;
  }
  return { ...file, lines: closeEnd(rebuild(file.lines, removed, added), finalNewline) };
}

function rebuild(lines: readonly Line[], removed: Set<number>, added: Map<number, Line[]>): Line[] {
  const result: Line[] = [];
  for (let i = 0; i <= lines.length; i++) {
    for (const line of added.get(i) ?? []) result.push(line);
    if (i < lines.length && !removed.has(i)) result.push(lines[i]!);
  }
  return result;
}

/** Only the last line may lack its ending, and it does when `finalNewline` says so. */
function closeEnd(lines: Line[], finalNewline: boolean): Line[] {
  return lines.map((line, i) => {
    if (i === lines.length - 1 && !finalNewline) return line.eol === "" ? line : { ...line, eol: "" };
    return line.eol === "" ? { ...line, eol: endingNear(lines, i) } : line;
  });
}

/** The ending at `index`, else of the nearest line above, else of the line below. */
function endingNear(lines: readonly Line[], index: number): "\n" | "\r\n" {
  return lines[index]?.eol || lines[index - 1]?.eol || lines[index + 1]?.eol || "\n";
}

/** A byte order mark belongs to the file, not to the first line's text. */
function withoutBom(hunk: Hunk): Hunk {
  const lines = hunk.lines.map((line) =>
    line.text.startsWith("\uFEFF") ? { ...line, text: line.text.slice(1) } : line,
  );
  return { ...hunk, lines };
}

/** Text that is not ASCII would be written as UTF-8 into a file of another encoding. */
function refuseDamage(line: HunkLine, path: string): void {
  if (/[^\x00-\x7f]/.test(line.text)) {
    throw invalidPatch(line.at, "the file is not UTF-8: only ASCII text can be added to it safely", path);
  }
}
