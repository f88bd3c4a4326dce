/** Reads usage and the end out of an InvokeModel answer that passes by, through the inner dialect's tap. */

import { Buffer } from "node:buffer";
import { EventStreamDecoder } from "../../framing/event-stream.ts";
import { parseJson, record } from "../../framing/json.ts";
import { formatSse } from "../../framing/sse.ts";
import { ChatTap } from "../chat/tap.ts";
import { MessagesTap } from "../messages/tap.ts";
import type { TapReading } from "../responses/tap.ts";
import { innerJson, readMetrics } from "./chunk.ts";
import type { NativeFamily } from "./native.ts";

/**
 * One answer. `write` every chunk as it passes, then `end`; `reading` is good at any moment. Never throws. Where Bedrock
 * adds its invocation metrics, they are the usage.
 */
export class InvokeTap {
  readonly #inner: ChatTap | MessagesTap;
  readonly #decoder: EventStreamDecoder | undefined;
  #metered: Pick<TapReading, "usage"> | undefined;
  #failed: Pick<TapReading, "status" | "terminal" | "failure"> | undefined;

  /** `onFirstDelta` is called once, when the first delta of output passes (never for a JSON body). */
  constructor(family: NativeFamily, contentType: string, onFirstDelta?: () => void) {
    const streamed = /^application\/vnd\.amazon\.eventstream\b/i.test(contentType);
    const InnerTap = family === "openai" ? ChatTap : MessagesTap;
    this.#inner = new InnerTap(streamed ? "text/event-stream" : contentType, onFirstDelta);
    this.#decoder = streamed ? new EventStreamDecoder() : undefined;
  }

  get reading(): TapReading {
    const atBoundary = this.#decoder?.atBoundary ?? this.#inner.reading.atBoundary;
    return { ...this.#inner.reading, ...this.#metered, ...this.#failed, atBoundary };
  }

  write(chunk: Uint8Array): void {
    if (this.#decoder === undefined) {
      this.#inner.write(chunk);
      return;
    }
    for (const message of this.#decoder.push(chunk)) {
      const json = innerJson(message);
      if (json !== undefined) {
        this.#inner.write(Buffer.from(formatSse("", json)));
        const metrics = readMetrics(json);
        if (metrics !== undefined) this.#metered = { usage: metrics.usage };
      } else if (message.fault === undefined && message.headers.get(":message-type") !== "event") {
        const words = record(parseJson(message.payload.toString("utf8")))["message"];
        const code = message.headers.get(":exception-type") ?? message.headers.get(":error-code");
        const failure = { code, message: typeof words === "string" ? words : "" };
        this.#failed = { status: "failed", terminal: true, failure };
      }
    }
  }

  end(): void {
    this.#inner.end();
  }
}
