/**
 * One folder for each rewriting rule: `case.json` has the hub request and what the upstreams take besides the usual;
 * `chat.json` and `messages.json` the body and notes, or the error. `vitest -u` writes them anew: then read the diff.
 */

import { readdirSync, readFileSync } from "node:fs";
import { MohoError, type ResponsesRequest } from "@moho/protocol";
import {
  type ChatCapabilities,
  hubToChat,
  hubToMessages,
  hubToResponses,
  type MessagesCapabilities,
  type UpstreamBody,
} from "@moho/wire";
import { describe, expect, it } from "vitest";
import { CHAT, MESSAGES } from "./translate-capabilities.ts";

interface Case {
  hub: ResponsesRequest;
  chat?: Partial<ChatCapabilities>;
  messages?: Partial<MessagesCapabilities>;
}

const ROOT = new URL("./fixtures/translate/", import.meta.url);
const RESPONSES = { sampling: true, breakpoints: true, leastOutputTokens: 16 };

function outcome(translate: () => UpstreamBody): string {
  const shown = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  try {
    const { body, notes } = translate();
    return shown({ body: JSON.parse(body), notes });
  } catch (error) {
    if (!(error instanceof MohoError)) throw error;
    return shown({ error: error.code, message: error.message, details: error.details });
  }
}

describe.each(readdirSync(ROOT))("%s", (name) => {
  const folder = new URL(`${name}/`, ROOT);
  const { hub, chat, messages } = JSON.parse(readFileSync(new URL("case.json", folder), "utf8")) as Case;
  const file = (dialect: string): string => new URL(`${dialect}.json`, folder).pathname;

  it("to chat", async () => {
    const text = outcome(() => hubToChat(hub, { ...CHAT, ...chat }));
    await expect(text).toMatchFileSnapshot(file("chat"));
  });
  it("to messages", async () => {
    const text = outcome(() => hubToMessages(hub, { ...MESSAGES, ...messages }));
    await expect(text).toMatchFileSnapshot(file("messages"));
  });
  it("never changes its input, and gives equal bytes for equal requests", () => {
    const before = JSON.stringify(hub);
    const again = (translate: () => UpstreamBody): void =>
      expect(outcome(translate)).toBe(outcome(translate));
    again(() => hubToChat(hub, CHAT));
    again(() => hubToMessages(hub, { ...MESSAGES, caching: "placed" }));
    again(() => hubToResponses(hub, RESPONSES));
    expect(JSON.stringify(hub)).toBe(before);
  });
});
