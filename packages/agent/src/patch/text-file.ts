/**
 * A file as lines that remember their own endings and, where they are not UTF-8, their own bytes:
 * what a patch does not touch is written back exactly as it was. Pure.
 */

import { isUtf8 } from "node:buffer";
import { MohoError } from "@moho/protocol";

export interface Line {
  /** Without its ending. Bytes that are not UTF-8 show as U+FFFD here, as a model saw them. */
  text: string;
  eol: "\n" | "\r\n" | "";
  /** The line's own bytes, kept when `text` cannot reproduce them. */
  raw?: Buffer;
}

export interface TextFile {
  bom: boolean;
  /** False when some bytes are not UTF-8: only ASCII may then be added. */
  utf8: boolean;
  lines: Line[];
}

const NEWLINE = 10;
const RETURN = 13;

/** Throws `invalid_patch` for UTF-16, which has no lines in this sense. */
export function readText(bytes: Buffer, path: string): TextFile {
  if (bytes.length >= 2 && (bytes.readUInt16LE(0) === 0xfeff || bytes.readUInt16BE(0) === 0xfeff)) {
    throw new MohoError("invalid_patch", `${path}: the file is UTF-16, which cannot be patched as text`);
  }
  const bom = bytes.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]));
  const body = bom ? bytes.subarray(3) : bytes;
  const utf8 = isUtf8(body);
  return { bom, utf8, lines: utf8 ? splitText(body.toString()) : splitBytes(body) };
}

function splitText(text: string): Line[] {
  const lines: Line[] = [];
  for (let from = 0; from < text.length; ) {
    const newline = text.indexOf("\n", from);
    const end = newline < 0 ? text.length : newline;
    const crlf = newline > from && text.charCodeAt(newline - 1) === RETURN;
    lines.push({
      text: text.slice(from, crlf ? end - 1 : end),
      eol: newline < 0 ? "" : crlf ? "\r\n" : "\n",
    });
    from = end + 1;
  }
  return lines;
}

function splitBytes(body: Buffer): Line[] {
  const lines: Line[] = [];
  for (let from = 0; from < body.length; ) {
    const newline = body.indexOf(NEWLINE, from);
    const end = newline < 0 ? body.length : newline;
    const crlf = newline > from && body[newline - 1] === RETURN;
    const raw = body.subarray(from, crlf ? end - 1 : end);
    const line: Line = { text: raw.toString(), eol: newline < 0 ? "" : crlf ? "\r\n" : "\n" };
    if (!isUtf8(raw)) line.raw = raw;
    lines.push(line);
    from = end + 1;
  }
  return lines;
}

export function writeText(file: TextFile): Buffer {
  const parts: Buffer[] = file.bom ? [Buffer.from([0xef, 0xbb, 0xbf])] : [];
  let text = "";
  for (const line of file.lines) {
    if (line.raw === undefined) {
      text += line.text + line.eol;
    } else {
      parts.push(Buffer.from(text), line.raw);
      text = line.eol;
    }
  }
  parts.push(Buffer.from(text));
  return Buffer.concat(parts);
}
