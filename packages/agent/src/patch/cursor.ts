/** Walks the lines of a patch text, once its wrappings (code fence, heredoc, CRLF transport) are taken off. */

import { invalidPatch } from "./types.ts";

export class Cursor {
  readonly #lines: readonly string[];
  readonly #end: number;
  #next: number;

  constructor(lines: readonly string[], from: number, end: number) {
    this.#lines = lines;
    this.#next = from;
    this.#end = end;
  }

  get done(): boolean {
    return this.#next >= this.#end;
  }
  /** The patch line about to be read, from 1. */
  get at(): number {
    return this.#next + 1;
  }
  /** The line `ahead` of the next one, or undefined past the end. */
  peek(ahead = 0): string | undefined {
    return this.#next + ahead < this.#end ? this.#lines[this.#next + ahead] : undefined;
  }
  take(): string {
    return this.#lines[this.#next++]!;
  }
}

const FENCE = /^(`{3,}|~{3,})[ \t]*[\w.+-]*$/;
const HEREDOC =
  /^(?:cd[ \t]+('[^']+'|"[^"$`\\]+"|[^\s'"$`\\;&|<>()~*?]+)[ \t]*&&[ \t]*)?(?:apply_?patch|moho apply-patch)?[ \t]*<<-?[ \t]*(['"]?)([A-Za-z_]\w*)\2$/;
const SHELL_WORDS = /^(?:cd|apply_?patch|moho|bash|sh)\b/;
const LONGEST_WRAPPER = 1000;

/** True when a shell command is nothing but an `apply_patch` heredoc, so that its text can be applied in process. */
export function isPatchCommand(command: string): boolean {
  const lines = command.trim().split(/\r?\n/);
  const heredoc = heredocOf(lines[0]!);
  return (
    heredoc !== undefined &&
    lines[0]!.includes("patch") &&
    lines.findIndex((line) => line.trim() === heredoc.word) === lines.length - 1
  );
}

/** Takes the wrappings off. `folder` is that of `cd folder &&` before a heredoc. */
export function openPatch(text: string): { cursor: Cursor; folder: string } {
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  stripCrlfTransport(lines);
  let [from, end] = trimBlank(lines, 0, lines.length);
  if (from === end) throw invalidPatch(1, "the patch is empty");

  const fence = short(lines[from]!) && FENCE.exec(lines[from]!.trim());
  if (fence) [from, end] = trimBlank(lines, from + 1, closedBy(lines, from, end, fence[1]!));
  let folder = "";
  const first = from < end ? lines[from]! : "";
  const heredoc = heredocOf(first);
  if (heredoc !== undefined) {
    folder = heredoc.folder;
    [from, end] = trimBlank(lines, from + 1, closedBy(lines, from, end, heredoc.word));
  } else if (SHELL_WORDS.test(first.trimStart())) {
    throw invalidPatch(from + 1, "these shell words are not understood: send the patch text alone");
  }
  if (from >= end) throw invalidPatch(from, "the patch is empty");
  return { cursor: new Cursor(lines, from, end), folder };
}

/** Where the text ends that line `from` opens: before its closing word, when that is the last line. */
function closedBy(lines: readonly string[], from: number, end: number, word: string): number {
  return end - 1 > from && lines[end - 1]!.trim() === word ? end - 1 : end;
}

/** A text whose every line ends in CRLF says nothing about the files: the carriage returns are dropped. */
function stripCrlfTransport(lines: string[]): void {
  const last = lines.length - 1;
  if (last === 0 || !lines.every((line, i) => line.endsWith("\r") || i === last)) return;
  for (let i = 0; i <= last; i++) if (lines[i]!.endsWith("\r")) lines[i] = lines[i]!.slice(0, -1);
}

function trimBlank(lines: readonly string[], from: number, end: number): [number, number] {
  while (from < end && lines[from]!.trim() === "") from++;
  while (end > from && (lines[end - 1] === "" || lines[end - 1] === "\r")) end--;
  return [from, end];
}

function heredocOf(line: string): { folder: string; word: string } | undefined {
  if (!short(line)) return undefined;
  const match = HEREDOC.exec(line.trim());
  if (!match) return undefined;
  return { folder: (match[1] ?? "").replace(/^(['"])(.*)\1$/, "$2"), word: match[3]! };
}

/** Wrapper lines are short; longer ones are never tried, which bounds the expressions above. */
function short(line: string): boolean {
  return line.length <= LONGEST_WRAPPER;
}
