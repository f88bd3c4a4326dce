/**
 * The top-level members of a request body that decide authorisation and money, read from its bytes: a body that two
 * parsers could read differently is refused.
 */

import { Buffer } from "node:buffer";
import { MohoError } from "@moho/protocol";
import {
  type JsonKind,
  type JsonMember,
  type KeyWatch,
  type KnownElements,
  readJsonString,
  scanJsonObject,
  type TypeWatch,
} from "./json-scan.ts";

/** The members that are read, and the kinds each may have. `null` is the same as absent. */
export type ReadKinds = Readonly<Record<string, readonly JsonKind[]>>;

export class JsonMembers {
  readonly #body: Uint8Array;
  /** Where each top-level value stands in the body. */
  readonly members: ReadonlyMap<string, JsonMember>;
  readonly #types: ReadonlyMap<string, number>;
  readonly #keys: ReadonlyMap<string, number>;
  readonly #strangers: ReadonlyMap<string, ReadonlySet<string>>;

  /**
   * Throws `invalid_request` naming the byte where `body` stops being one JSON object with distinct keys, and when a
   * member of `read` has the wrong kind or a key that another parser could take for it (escapes, case).
   */
  constructor(
    body: Uint8Array,
    read: ReadKinds,
    watch?: TypeWatch,
    keyWatch?: KeyWatch,
    known?: KnownElements,
  ) {
    const scan = scanJsonObject(body, watch, keyWatch, known);
    if (!scan.ok) {
      const problem = `The request body is not a JSON object: ${scan.reason} (byte ${scan.at}).`;
      throw new MohoError("invalid_request", problem, { details: { byte: scan.at } });
    }
    this.#body = body;
    this.members = scan.members;
    this.#types = scan.types;
    this.#keys = scan.keys;
    this.#strangers = scan.strangers;
    const lookAlikes = lookAlikesOf(read);
    for (const [name, member] of scan.members) checkMember(name, member, read, lookAlikes);
  }

  has(name: string): boolean {
    return this.#present(name) !== undefined;
  }

  text(name: string): string | undefined {
    const member = this.#present(name);
    if (member === undefined) return undefined;
    const value = readJsonString(this.#body, member.start, member.end);
    if (value === undefined) throw invalid(name, member, "has a wrong escape");
    return value;
  }

  flag(name: string): boolean | undefined {
    const member = this.#present(name);
    return member === undefined ? undefined : this.#body[member.start] === 0x74;
  }

  /** A whole number written in plain digits: `1e3` and `5.0` are read differently by different parsers. */
  count(name: string): number | undefined {
    const member = this.#present(name);
    if (member === undefined) return undefined;
    const length = member.end - member.start;
    const digits = Buffer.from(this.#body.buffer, this.#body.byteOffset + member.start, length).toString();
    const value = Number(digits);
    if (!/^\d+$/.test(digits) || !Number.isSafeInteger(value)) {
      throw invalid(name, member, "must be a whole number in plain digits");
    }
    return value;
  }

  /** How often the watched words are the value of a nested `type`. */
  typed(...words: string[]): number {
    return words.reduce((sum, word) => sum + (this.#types.get(word) ?? 0), 0);
  }

  /** How often the watched word is a nested key. */
  keyed(word: string): number {
    return this.#keys.get(word) ?? 0;
  }

  /** The types that elements of the member have beyond those known. */
  strangers(name: string): readonly string[] {
    return [...(this.#strangers.get(name) ?? [])];
  }

  /** The members of a member that is an object, under the same rules. Its bytes are counted from its own beginning. */
  inside(name: string, read: ReadKinds): JsonMembers | undefined {
    const member = this.#present(name);
    return member === undefined
      ? undefined
      : new JsonMembers(this.#body.subarray(member.start, member.end), read);
  }

  #present(name: string): JsonMember | undefined {
    const member = this.members.get(name);
    return member?.kind === "null" ? undefined : member;
  }
}

/**
 * A copy of `body` in which the given top-level members have new values; every other byte stays as it is.
 * Members that were absent come first. `members` is the peek's.
 */
export function withMembers(
  body: Uint8Array,
  members: ReadonlyMap<string, JsonMember>,
  values: Readonly<Record<string, string | number | boolean | object>>,
): Uint8Array {
  const edits: { start: number; end: number; json: string }[] = [];
  const added: string[] = [];
  for (const [name, value] of Object.entries(values)) {
    const member = members.get(name);
    const json = JSON.stringify(value);
    if (member === undefined) added.push(`${JSON.stringify(name)}:${json}`);
    else edits.push({ start: member.start, end: member.end, json });
  }
  if (added.length > 0) {
    const start = body.indexOf(0x7b) + 1;
    edits.push({ start, end: start, json: added.join(",") + (members.size === 0 ? "" : ",") });
  }
  edits.sort((a, b) => a.start - b.start);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { start, end, json } of edits) {
    parts.push(body.subarray(at, start), Buffer.from(json));
    at = end;
  }
  parts.push(body.subarray(at));
  return Buffer.concat(parts);
}

function checkMember(
  name: string,
  member: JsonMember,
  kinds: ReadKinds,
  lookAlikes: ReadonlyMap<string, string>,
): void {
  const read = Object.hasOwn(kinds, name) ? name : lookAlikes.get(fold(name));
  if (read === undefined) return;
  if (read !== name || member.escapedKey) {
    throw invalid(read, member, `is spelled \`${name}\`, which parsers read differently: write it plainly`);
  }
  if (member.kind !== "null" && !kinds[read]!.includes(member.kind)) {
    throw invalid(read, member, `must be a ${kinds[read]!.join(" or ")}, not a ${member.kind}`);
  }
}

const known = new WeakMap<ReadKinds, ReadonlyMap<string, string>>();

/** Computed once a table. */
function lookAlikesOf(read: ReadKinds): ReadonlyMap<string, string> {
  const before = known.get(read);
  if (before !== undefined) return before;
  const lookAlikes = new Map(Object.keys(read).map((name) => [fold(name), name]));
  known.set(read, lookAlikes);
  return lookAlikes;
}

/** Case as the most lenient parsers ignore it, `ſ` and the Kelvin sign included. */
function fold(name: string): string {
  return name.toUpperCase().toLowerCase();
}

function invalid(name: string, member: JsonMember, problem: string): MohoError {
  return new MohoError("invalid_request", `\`${name}\` ${problem} (byte ${member.start}).`, {
    details: { param: name, byte: member.start },
  });
}
