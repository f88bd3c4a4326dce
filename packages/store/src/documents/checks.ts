/** What a document store takes from outside. Pure. */

import { MohoError } from "@moho/protocol";

const MAX_NAME_LENGTH = 1_000;
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Throws `invalid_request` unless both are names: not empty, real Unicode, no control characters, and not
 * U+10FFFF, which stands for the end of a range.
 */
export function checkDocument(kind: string, id: string): void {
  for (const name of [kind, id]) {
    if (
      name !== "" &&
      name.length <= MAX_NAME_LENGTH &&
      name.isWellFormed() &&
      !/[\0-\x1f\x7f\u{10ffff}]/u.test(name)
    ) {
      continue;
    }
    throw new MohoError("invalid_request", `${JSON.stringify(name.slice(0, 80))} cannot name a document.`);
  }
}

/** The JSON text of a document's value. */
export function documentText(kind: string, id: string, value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) {
    throw new MohoError("invalid_request", `The ${kind} "${id}" has no JSON form.`);
  }
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new MohoError("body_too_large", `The ${kind} "${id}" has more than ${MAX_BYTES} bytes.`, {
      next: "Store less in one document.",
    });
  }
  return text;
}

/** Throws `conflict` unless the version is the one expected; 0 stands for no document. */
export function checkVersion(kind: string, id: string, current: number, expected: number | undefined): void {
  if (expected === undefined || expected === current) return;
  const found = current === 0 ? "does not exist" : `has version ${current}`;
  const wanted = expected === 0 ? "it was expected to be new" : `version ${expected} was expected`;
  throw new MohoError("conflict", `The ${kind} "${id}" ${found}; ${wanted}.`);
}
