/**
 * What a gateway must know of a Responses request before it may pass: read from the body's bytes without parsing them.
 * It decides authorisation and money, so a body that two parsers could read differently is refused.
 */

import { Buffer } from "node:buffer";
import { MohoError } from "@moho/protocol";
import {
  type JsonFault,
  type JsonKind,
  type JsonMember,
  readJsonString,
  scanJsonObject,
} from "../../framing/json-scan.ts";

export interface ResponsesPeek {
  model: string | undefined;
  stream: boolean;
  maxOutputTokens: number | undefined;
  store: boolean | undefined;
  background: boolean;
  previousResponseId: string | undefined;
  serviceTier: string | undefined;
  /** A stored conversation is named. */
  conversation: boolean;
  /** A stored prompt template is named: it brings input, and may bring a model, that the body does not show. */
  prompt: boolean;
  /** How much of what is not text `input` holds. */
  input: { image: number; file: number; itemReference: number };
  /** Where each top-level value stands in the body. */
  members: ReadonlyMap<string, JsonMember>;
}

/** The members that are read, and the kinds each may have. `null` is the same as absent. */
const READ: Readonly<Record<string, readonly JsonKind[]>> = {
  model: ["string"],
  stream: ["boolean"],
  max_output_tokens: ["number"],
  store: ["boolean"],
  background: ["boolean"],
  previous_response_id: ["string"],
  service_tier: ["string"],
  conversation: ["string", "object"],
  prompt: ["object"],
  input: ["string", "array"],
};

const WATCH = { input: ["input_image", "input_file", "item_reference"] } as const;

/**
 * Reads `body`. Throws `invalid_request` naming the byte where it stops being one JSON object with distinct keys, and
 * when a member that is read has the wrong kind or a key that another parser could take for it (escapes, case).
 */
export function peekResponses(body: Uint8Array): ResponsesPeek {
  const scan = scanJsonObject(body, WATCH);
  if (!scan.ok) throw notJson(scan);
  const { members, types } = scan;
  for (const [name, member] of members) checkMember(name, member);
  return {
    model: text(body, members, "model"),
    stream: flag(body, members, "stream") ?? false,
    maxOutputTokens: count(body, members, "max_output_tokens"),
    store: flag(body, members, "store"),
    background: flag(body, members, "background") ?? false,
    previousResponseId: text(body, members, "previous_response_id"),
    serviceTier: text(body, members, "service_tier"),
    conversation: present(members, "conversation") !== undefined,
    prompt: present(members, "prompt") !== undefined,
    input: {
      image: types.get("input_image") ?? 0,
      file: types.get("input_file") ?? 0,
      itemReference: types.get("item_reference") ?? 0,
    },
    members,
  };
}

/**
 * A copy of `body` in which the given top-level members have new values; every other byte stays as it is.
 * Members that were absent come first. `members` is the peek's.
 */
export function withMembers(
  body: Uint8Array,
  members: ReadonlyMap<string, JsonMember>,
  values: Readonly<Record<string, string | number | boolean>>,
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

function notJson(fault: JsonFault): MohoError {
  return new MohoError(
    "invalid_request",
    `The request body is not a JSON object: ${fault.reason} (byte ${fault.at}).`,
    { details: { byte: fault.at } },
  );
}

function checkMember(name: string, member: JsonMember): void {
  const read = Object.hasOwn(READ, name) ? name : LOOK_ALIKES.get(fold(name));
  if (read === undefined) return;
  if (read !== name || member.escapedKey) {
    throw invalid(read, member, `is spelled \`${name}\`, which parsers read differently: write it plainly`);
  }
  if (member.kind !== "null" && !READ[read]!.includes(member.kind)) {
    throw invalid(read, member, `must be a ${READ[read]!.join(" or ")}, not a ${member.kind}`);
  }
}

/** Case as the most lenient parsers ignore it, `ſ` and the Kelvin sign included. */
function fold(name: string): string {
  return name.toUpperCase().toLowerCase();
}

const LOOK_ALIKES: ReadonlyMap<string, string> = new Map(Object.keys(READ).map((name) => [fold(name), name]));

function present(members: ReadonlyMap<string, JsonMember>, name: string): JsonMember | undefined {
  const member = members.get(name);
  return member?.kind === "null" ? undefined : member;
}

function text(body: Uint8Array, members: ReadonlyMap<string, JsonMember>, name: string): string | undefined {
  const member = present(members, name);
  if (member === undefined) return undefined;
  const value = readJsonString(body, member.start, member.end);
  if (value === undefined) throw invalid(name, member, "has a wrong escape");
  return value;
}

function flag(body: Uint8Array, members: ReadonlyMap<string, JsonMember>, name: string): boolean | undefined {
  const member = present(members, name);
  return member === undefined ? undefined : body[member.start] === 0x74;
}

/** A whole number written in plain digits: `1e3` and `5.0` are read differently by different parsers. */
function count(body: Uint8Array, members: ReadonlyMap<string, JsonMember>, name: string): number | undefined {
  const member = present(members, name);
  if (member === undefined) return undefined;
  const digits = Buffer.from(
    body.buffer,
    body.byteOffset + member.start,
    member.end - member.start,
  ).toString();
  const value = Number(digits);
  if (!/^\d+$/.test(digits) || !Number.isSafeInteger(value)) {
    throw invalid(name, member, "must be a whole number in plain digits");
  }
  return value;
}

function invalid(name: string, member: JsonMember, problem: string): MohoError {
  return new MohoError("invalid_request", `\`${name}\` ${problem} (byte ${member.start}).`, {
    details: { param: name, byte: member.start },
  });
}
