/** The `chunk` events of InvokeModelWithResponseStream: one JSON of the model's own dialect each, in base64 (aws-wire §4.4). */

import { Buffer } from "node:buffer";
import type { Usage } from "@moho/protocol";
import type { EventMessage } from "../../framing/event-stream.ts";
import { parseJson, record } from "../../framing/json.ts";
import type { UsageReading } from "../responses/usage.ts";

const METRICS = "amazon-bedrock-invocationMetrics";

/** Lengths are hidden up to this many characters, as the service does. */
const BUCKET = 32;
const PADDING = "abcdefghijklmnopqrstuvwxyzABCDEF";

/** The inner JSON text of a `chunk`; `undefined` for any other message. */
export function innerJson({ headers, payload, fault }: EventMessage): string | undefined {
  if (fault !== undefined || headers.get(":event-type") !== "chunk") return undefined;
  const { bytes } = record(parseJson(payload.toString("utf8")));
  return typeof bytes === "string" ? Buffer.from(bytes, "base64").toString("utf8") : undefined;
}

/** The payload of a `chunk` event. */
export function chunkPayload(inner: string): string {
  const bytes = Buffer.from(inner).toString("base64");
  return `{"bytes":"${bytes}","p":"${PADDING.slice(0, BUCKET - (bytes.length % BUCKET))}"}`;
}

export interface InvocationTimes {
  latencyMs: number;
  firstByteMs: number;
}

/** The inner JSON with the metrics that Bedrock adds to the last chunk. */
export function withMetrics(
  inner: string,
  usage: Usage,
  { latencyMs, firstByteMs }: InvocationTimes,
): string {
  const metrics = {
    inputTokenCount: usage.input,
    outputTokenCount: usage.output + usage.reasoning,
    invocationLatency: latencyMs,
    firstByteLatency: firstByteMs,
    cacheReadInputTokenCount: usage.cacheRead,
    cacheWriteInputTokenCount: usage.cacheWrite,
  };
  return `${inner.slice(0, -1)},"${METRICS}":${JSON.stringify(metrics)}}`;
}

/** The metrics of an inner JSON as usage; `undefined` when it has none. Reasoning counts as output there. */
export function readMetrics(inner: string): UsageReading | undefined {
  if (!inner.includes(METRICS)) return undefined;
  const metrics = record(record(parseJson(inner))[METRICS]);
  const count = (name: string): number => {
    const value = metrics[name];
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : 0;
  };
  if (typeof metrics["inputTokenCount"] !== "number") return undefined;
  return {
    usage: {
      input: count("inputTokenCount"),
      cacheRead: count("cacheReadInputTokenCount"),
      cacheWrite: count("cacheWriteInputTokenCount"),
      output: count("outputTokenCount"),
      reasoning: 0,
    },
  };
}
