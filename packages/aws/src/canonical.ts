/**
 * The canonical request of Signature Version 4, as Bedrock's clients compute it (aws-wire §3.1).
 * Everything here works on *byte strings*: one character is one byte, as Node's HTTP parser delivers them.
 */

import { hash } from "node:crypto";

const NOT_IN_PATH = /[^A-Za-z0-9\-._~/]/g;
const NOT_IN_QUERY = /[^A-Za-z0-9\-._~]/g;
const WIDE = /[^\0-\xff]/;
const FOLDABLE = /[ \t\r\n]{2}|[\t\r\n]|^ | $/;

/** `text` as UTF-8 bytes, one character each; ASCII text is returned as it is. */
export function utf8Bytes(text: string): string {
  return /[^\0-\x7f]/.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

/** Text off a socket is bytes already; text that cannot be is taken as UTF-8, so that no two texts meet. */
export function receivedBytes(text: string): string {
  return WIDE.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

/** Lower-case hex SHA-256 of a byte string; a wide character is never cut down to a byte. */
export function sha256OfBytes(bytes: string): string {
  return hash("sha256", Buffer.from(bytes, WIDE.test(bytes) ? "utf8" : "latin1"), "hex");
}

/** RFC 3986 encoding of one query name or value. */
export function encodeQueryPart(bytes: string): string {
  return bytes.replace(NOT_IN_QUERY, percent);
}

/** The raw path encoded once more, byte by byte: what every service but S3 signs. Never decodes, never normalises. */
export function canonicalPath(path: string): string {
  return path === "" ? "/" : path.replace(NOT_IN_PATH, percent);
}

function percent(character: string): string {
  const hex = character.charCodeAt(0).toString(16).toUpperCase();
  return hex.length === 1 ? `%0${hex}` : `%${hex}`;
}

/** Name and value, decoded: `+` is a space, a broken escape stands for itself. */
export type QueryPair = readonly [name: string, value: string];

export function parseQuery(query: string): QueryPair[] {
  const pairs: QueryPair[] = [];
  for (const part of query.split("&")) {
    if (part === "") continue;
    const at = part.indexOf("=");
    pairs.push(at < 0 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))]);
  }
  return pairs;
}

function decode(part: string): string {
  return part
    .replaceAll("+", " ")
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Encoded, sorted by encoded name and then value, `=` kept for empty values. */
export function canonicalQuery(pairs: readonly QueryPair[]): string {
  return pairs
    .map(([name, value]): QueryPair => [encodeQueryPart(name), encodeQueryPart(value)])
    .sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

/** Order by code unit, which for byte strings is order by byte. */
export function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Trimmed, inner runs of white space as one space. */
export function canonicalHeaderValue(value: string): string {
  if (!FOLDABLE.test(value)) return value;
  return value.replace(/[ \t\r\n]+/g, " ").replace(/^ | $/g, "");
}

/** Splits a request target at its first `?`. */
export function splitTarget(target: string): { path: string; query: string } {
  const at = target.indexOf("?");
  return at < 0 ? { path: target, query: "" } : { path: target.slice(0, at), query: target.slice(at + 1) };
}

/** The canonical request; `headers` are the signed ones, sorted by name, values already canonical. */
export function canonicalRequest(parts: {
  method: string;
  path: string;
  query: readonly QueryPair[];
  headers: readonly (readonly [name: string, value: string])[];
  signedHeaders: string;
  payloadHash: string;
}): string {
  let lines = "";
  for (const [name, value] of parts.headers) lines += `${name}:${value}\n`;
  const query = parts.query.length === 0 ? "" : canonicalQuery(parts.query);
  return `${parts.method}\n${canonicalPath(parts.path)}\n${query}\n${lines}\n${parts.signedHeaders}\n${parts.payloadHash}`;
}
