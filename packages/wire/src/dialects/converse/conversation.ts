/** Bedrock's rules for a Converse conversation, with the sentences by which clients know them (aws-wire §4.3). */

import type { MohoError } from "@moho/protocol";
import { expectObject, expectString, type Raw } from "../fields.ts";
import { type Member, refused } from "./shape.ts";

export interface Turn {
  role: "user" | "assistant";
  blocks: readonly Member[];
}

const IMAGES = 20;
const DOCUMENTS = 5;

/** Throws `invalid_request` for the first rule that is broken. */
export function checkConversation(turns: readonly Turn[], hasToolConfig: boolean): void {
  if (turns[0]?.role !== "user") {
    throw refused(
      "messages.0.role",
      "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
    );
  }
  for (const [index, turn] of turns.entries()) {
    if (index > 0 && turns[index - 1]!.role === turn.role) throw notAlternating(index);
    checkBlocks(turn, index);
    checkResults(turns[index - 1], turn, index);
    if (!hasToolConfig && turn.blocks.some(({ kind }) => kind === "toolUse" || kind === "toolResult")) {
      throw refused(
        "toolConfig",
        "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
      );
    }
  }
}

function notAlternating(index: number): MohoError {
  return refused(
    `messages.${index}.role`,
    "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.",
  );
}

function checkBlocks({ role, blocks }: Turn, index: number): void {
  const path = `messages.${index}`;
  if (blocks.length === 0) {
    throw refused(
      `${path}.content`,
      `The content field in the Message object at ${path} is empty. Add a ContentBlock object to the content field and try again.`,
    );
  }
  const count = (wanted: string): number => blocks.filter(({ kind }) => kind === wanted).length;
  for (const [at, { kind, inner }] of blocks.entries()) {
    const here = `${path}.content.${at}`;
    if (kind === "text" && expectString(inner, `${here}.text`).trim() === "") {
      throw refused(
        `${here}.text`,
        `The text field in the ContentBlock object at ${here} is blank. Add text to the text field, and try again.`,
      );
    }
    if (kind === "toolUse" && role === "user") {
      throw refused(here, "The toolUse content block is not supported in user messages.");
    }
    if (kind === "toolResult" && role === "assistant") {
      throw refused(here, "The toolResult content block is not supported in assistant messages.");
    }
  }
  if (count("image") > IMAGES) {
    throw refused(`${path}.content`, `A message takes at most ${IMAGES} images, not ${count("image")}.`);
  }
  if (count("document") > DOCUMENTS) {
    throw refused(
      `${path}.content`,
      `A message takes at most ${DOCUMENTS} documents, not ${count("document")}.`,
    );
  }
  if (count("document") > 0 && count("text") === 0) {
    throw refused(`${path}.content`, "A text block is required when a message has a document.");
  }
}

/** Every tool use of the turn before is answered here, once, and nothing else is. */
function checkResults(before: Turn | undefined, turn: Turn, index: number): void {
  if (turn.role === "assistant") return;
  const uses = before === undefined ? new Set<string>() : idsOf(before, "toolUse", index - 1);
  const results = idsOf(turn, "toolResult", index);
  const missing = [...uses].filter((id) => !results.has(id));
  if (missing.length > 0) {
    throw refused(
      `messages.${index}.content`,
      `Expected toolResult blocks at messages.${index}.content for the following Ids: ${missing.join(", ").slice(0, 400)}`,
    );
  }
  if (results.size > uses.size) {
    throw refused(
      `messages.${index}.content`,
      `The number of toolResult blocks at messages.${index}.content exceeds the number of toolUse blocks of previous turn.`,
    );
  }
}

function idsOf(turn: Turn, kind: "toolUse" | "toolResult", index: number): Set<string> {
  const ids = new Set<string>();
  for (const [at, block] of turn.blocks.entries()) {
    if (block.kind !== kind) continue;
    const path = `messages.${index}.content.${at}.${kind}`;
    const body: Raw = expectObject(block.inner, path);
    const id = expectString(body["toolUseId"], `${path}.toolUseId`);
    if (!/^[a-zA-Z0-9_.:-]{1,64}$/.test(id)) {
      throw refused(
        `${path}.toolUseId`,
        `\`${path}.toolUseId\` must be 1 to 64 of the characters a-z A-Z 0-9 _ . : -`,
      );
    }
    if (ids.has(id)) {
      throw refused(`${path}.toolUseId`, `messages.${index}.content contains the duplicate toolUseId ${id}.`);
    }
    ids.add(id);
  }
  return ids;
}
