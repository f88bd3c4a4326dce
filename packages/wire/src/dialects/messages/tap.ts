/** Reads usage and the end out of a Messages answer that passes by. */

import { parseJson, record } from "../../framing/json.ts";
import type { SseEvent } from "../../framing/sse.ts";
import type { Raw } from "../fields.ts";
import {
  memberLength,
  noteFailure,
  noteHead,
  noteUsage,
  type OpenReading,
  Tap,
  type TapDialect,
} from "../tapping.ts";
import { readMessagesUsage } from "./usage.ts";

/** One answer, like the tap of Responses; of the blocks only the length is read. */
export class MessagesTap extends Tap {
  constructor(contentType: string, onFirstDelta?: () => void) {
    super(new MessagesReading(), contentType, onFirstDelta);
  }
}

const OUTPUT = ["text", "partial_json", "thinking"];

class MessagesReading implements TapDialect {
  /** The report grows: the first event has the input, the last the output. */
  #usage: Raw = {};

  event({ event, data }: SseEvent, reading: OpenReading): boolean {
    const type = event === "" ? String(record(parseJson(data))["type"]) : event;
    if (type === "content_block_delta") {
      const length = OUTPUT.reduce((sum, name) => sum + memberLength(data, name), 0);
      reading.outputCharacters += length;
      return length > 0;
    }
    if (type === "message_stop") reading.terminal = true;
    if (type !== "message_start" && type !== "message_delta" && type !== "error") return false;
    const raw = record(parseJson(data));
    if (type === "error") noteFailure(raw["error"], reading);
    else if (type === "message_start") {
      noteHead(record(raw["message"]), reading);
      this.#report(record(raw["message"])["usage"], reading);
    } else {
      this.#report(raw["usage"], reading);
      noteStop(record(raw["delta"])["stop_reason"], reading);
    }
    return false;
  }

  body(raw: Raw, reading: OpenReading): void {
    if (raw["type"] === "error") {
      noteFailure(raw["error"], reading);
      return;
    }
    noteHead(raw, reading);
    this.#report(raw["usage"], reading);
    noteStop(raw["stop_reason"], reading);
  }

  #report(usage: unknown, reading: OpenReading): void {
    const known = Object.entries(record(usage)).filter(([, value]) => value !== null && value !== undefined);
    this.#usage = { ...this.#usage, ...Object.fromEntries(known) };
    noteUsage(readMessagesUsage(this.#usage), reading);
  }
}

function noteStop(stop: unknown, reading: OpenReading): void {
  if (typeof stop !== "string") return;
  const cut = stop === "max_tokens" || stop === "refusal" || stop === "model_context_window_exceeded";
  reading.status = cut ? "incomplete" : "completed";
}
