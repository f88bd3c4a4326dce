/** Every client dialect on every upstream dialect: an answer crosses both wires and is what the model said. */

import { type Item, type ModelEvent, MohoError, textOf, type Usage } from "@moho/protocol";
import { calls, randomChunks, says, seededRandom, thinks } from "@moho/testkit";
import {
  ChatEncoder,
  ChatFold,
  ConverseEncoder,
  ConverseFold,
  EventStreamDecoder,
  InvokeEncoder,
  InvokeFold,
  MessagesEncoder,
  MessagesFold,
  ResponsesEncoder,
  ResponsesFold,
  SseParser,
} from "@moho/wire";
import { describe, expect, it } from "vitest";
import { eventsOf } from "./converse-answers.ts";

interface Encoder {
  push(event: ModelEvent): readonly (string | Uint8Array)[];
}
interface Fold<Frame> {
  push(frame: Frame): ModelEvent[];
  end(): ModelEvent[];
}
interface Parser<Frame> {
  push(chunk: Uint8Array): Frame[];
  end(): Frame[];
}
interface Wire {
  encoder: () => Encoder;
  fold: (chunks: readonly Uint8Array[]) => ModelEvent[];
}

const head = { id: "resp_1", model: "m", createdAt: 1 };
const context = { endpoint: "x" };
const clock = { elapsedMs: () => 1 };

function folded<Frame>(
  parser: Parser<Frame>,
  fold: Fold<Frame>,
  chunks: readonly Uint8Array[],
): ModelEvent[] {
  const events = chunks.flatMap((chunk) => parser.push(chunk).flatMap((frame) => fold.push(frame)));
  return [...events, ...parser.end().flatMap((frame) => fold.push(frame)), ...fold.end()];
}

const WIRES: Record<string, Wire> = {
  responses: {
    encoder: () => new ResponsesEncoder(head),
    fold: (chunks) => folded(new SseParser(), new ResponsesFold(context), chunks),
  },
  chat: {
    encoder: () => new ChatEncoder(head),
    fold: (chunks) => folded(new SseParser(), new ChatFold(context), chunks),
  },
  messages: {
    encoder: () => new MessagesEncoder(head),
    fold: (chunks) => folded(new SseParser(), new MessagesFold(context), chunks),
  },
  converse: {
    encoder: () => new ConverseEncoder(clock),
    fold: (chunks) => folded(new EventStreamDecoder(), new ConverseFold(context), chunks),
  },
  "invoke (openai)": {
    encoder: () => new InvokeEncoder("openai", head, clock),
    fold: (chunks) => folded(new EventStreamDecoder(), new InvokeFold("openai", context), chunks),
  },
  "invoke (anthropic)": {
    encoder: () => new InvokeEncoder("anthropic", head, clock),
    fold: (chunks) => folded(new EventStreamDecoder(), new InvokeFold("anthropic", context), chunks),
  },
};

const USAGE: Usage = { input: 10, cacheRead: 4, cacheWrite: 2, output: 5, reasoning: 3 };
const ANSWER: Item[] = [
  thinks("I look first", "moho.thinking.c2ln"),
  says("Grüße 😀\n\n*ok*"),
  calls("exec_command", { cmd: "ls", deep: [{ a: null }] }, "call_1"),
  calls("now", {}, "call_2"),
];

const bytesOf = (wire: Wire, events: readonly ModelEvent[]): Uint8Array => {
  const encoder = wire.encoder();
  return Buffer.concat(events.flatMap((event) => encoder.push(event)).map((frame) => Buffer.from(frame)));
};

/** What a user sees of an answer: its texts and calls. */
function shown(events: readonly ModelEvent[]): unknown[] {
  return events.flatMap((event): unknown[] => {
    if (event.type !== "item.done") return [];
    const { item } = event;
    if (item.type === "message") return [textOf(item.content)];
    return item.type === "function_call" ? [[item.call_id, item.name, JSON.parse(item.arguments)]] : [];
  });
}

const pairs = Object.keys(WIRES).flatMap((upstream) =>
  Object.keys(WIRES).map((client) => [upstream, client] as const),
);

describe.each(pairs)("%s upstream, %s client", (upstream, client) => {
  const cross = (events: readonly ModelEvent[], seed = 1): ModelEvent[] => {
    const wire = randomChunks(bytesOf(WIRES[upstream]!, events), seededRandom(seed), 90);
    return WIRES[client]!.fold([bytesOf(WIRES[client]!, WIRES[upstream]!.fold(wire))]);
  };
  it("shows the text and the calls, and counts all tokens", () => {
    const events = cross(eventsOf(ANSWER, USAGE));
    expect(shown(events)).toEqual(shown(eventsOf(ANSWER, USAGE)));
    const last = events.at(-1)!;
    expect(last).toMatchObject({ type: "completed", usage: { input: 10, cacheRead: 4, cacheWrite: 2 } });
    const { usage } = last as { usage: Usage };
    expect(usage.output + usage.reasoning).toBe(8);
  });
  it.each(["output_limit", "content_filtered"] as const)("tells that it was cut by %s", (code) => {
    const cut = eventsOf([says("half")], USAGE).slice(0, -1);
    const events = cross([...cut, { type: "failed", error: new MohoError(code, "x"), usage: USAGE }]);
    expect(events.at(-1)).toMatchObject({ type: "failed", error: { code } });
  });
  it("tells that it broke, and hands on no cut call", () => {
    const begun = eventsOf([says("I go"), calls("ls", { a: "b" }, "call_1")], USAGE).slice(0, -3);
    const error = new MohoError("overloaded", "Busy.");
    const events = cross([...begun, { type: "failed", error, usage: undefined }]);
    expect(events.at(-1)).toMatchObject({ type: "failed" });
    expect(shown(events).filter((item) => Array.isArray(item))).toEqual([]);
  });
});
