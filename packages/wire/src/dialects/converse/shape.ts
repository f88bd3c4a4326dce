/** What Converse bodies need beyond the shared readers: unions, ranges, and refusals in AWS's own sentences. */

import { MohoError } from "@moho/protocol";
import { expectNumber, expectObject } from "../fields.ts";
import type { Note } from "../notes.ts";

/** A content block or another member of a union. */
export interface Member {
  kind: string;
  inner: unknown;
}

/** `sentence` is what AWS's validation says, where it is known. */
export function refused(path: string, sentence: string): MohoError {
  return new MohoError("invalid_request", sentence, { details: { param: path } });
}

/** Well-formed, but nothing that another dialect could say. */
export function inexpressible(path: string, why: string): MohoError {
  return new MohoError("unsupported_item", `\`${path}\` cannot be passed on: ${why}.`, {
    details: { param: path },
  });
}

/** The one member of a union. */
export function expectMember(value: unknown, path: string): Member {
  const body = expectObject(value, path);
  const kinds = Object.keys(body).filter((kind) => body[kind] !== undefined && body[kind] !== null);
  const [kind] = kinds;
  if (kind !== undefined && kinds.length === 1) return { kind, inner: body[kind] };
  throw refused(path, `\`${path}\` must have exactly one member, not ${kinds.length}.`);
}

export function expectBetween(least: number, most: number): (value: unknown, path: string) => number {
  return (value, path) => {
    const number = expectNumber(value, path);
    if (number >= least && number <= most) return number;
    const bound = number < least ? `greater than or equal to ${least}` : `less than or equal to ${most}`;
    throw refused(path, violation(String(number), path, `Member must have value ${bound}`));
  };
}

/** AWS's sentence for a value outside its model. */
export function violation(value: string, path: string, constraint: string): string {
  const shown = value.slice(0, 80);
  return `1 validation error detected: Value '${shown}' at '${path}' failed to satisfy constraint: ${constraint}`;
}

/** The note for what stands at `path`: its last word is the kind, its first number the index. */
export function noteAt(path: string, what: Note["what"], why: string): Note {
  const place = /\.(\d+)\./.exec(path)?.[1];
  const kind = path.slice(path.lastIndexOf(".") + 1);
  return { leg: "client", kind, index: place === undefined ? undefined : Number(place), what, why };
}
