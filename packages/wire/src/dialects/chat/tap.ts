/** Reads usage and the end out of a Chat Completions answer that passes by. */

import { parseJson, record } from "../../framing/json.ts";
import type { SseEvent } from "../../framing/sse.ts";
import {
  memberLength,
  noteFailure,
  noteHead,
  noteUsage,
  type OpenReading,
  Tap,
  type TapDialect,
} from "../tapping.ts";
import { readChatUsage } from "./usage.ts";

/** One answer, like the tap of Responses; only the first chunk and the last ones are parsed. */
export class ChatTap extends Tap {
  constructor(contentType: string, onFirstDelta?: () => void) {
    super(CHAT, contentType, onFirstDelta);
  }
}

/** Chunks worth parsing. */
const TELLING = /"(?:usage"\s*:\s*\{|finish_reason"\s*:\s*"|error"\s*:\s*[{"])/;

const OUTPUT = ["content", "arguments", "reasoning", "reasoning_content", "refusal"];

const CHAT: TapDialect = {
  event({ data }: SseEvent, reading: OpenReading): boolean {
    if (data === "[DONE]") {
      reading.terminal = true;
      return false;
    }
    if (reading.responseId === undefined || TELLING.test(data)) read(record(parseJson(data)), reading);
    const length = OUTPUT.reduce((sum, name) => sum + memberLength(data, name), 0);
    reading.outputCharacters += length;
    return length > 0;
  },
  body: read,
};

function read(raw: Readonly<Record<string, unknown>>, reading: OpenReading): void {
  noteHead(raw, reading);
  noteUsage(readChatUsage(raw["usage"]), reading);
  const choice = record(Array.isArray(raw["choices"]) ? raw["choices"][0] : undefined);
  const finish = choice["finish_reason"];
  if (typeof finish === "string") {
    reading.status = finish === "length" || finish === "content_filter" ? "incomplete" : "completed";
    reading.terminal = true;
  }
  if (raw["error"] !== undefined && raw["error"] !== null) noteFailure(raw["error"], reading);
}
