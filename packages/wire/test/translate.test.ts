import {
  type Item,
  type ModelEvent,
  MohoError,
  type ResponsesRequest,
  type ToolSpec,
  type Usage,
} from "@moho/protocol";
import { type Random, randomChunks, seededRandom } from "@moho/testkit";
import {
  ChatEncoder,
  ChatFold,
  chatToHub,
  formatResponsesEvent,
  hubToChat,
  hubToMessages,
  MessagesEncoder,
  MessagesFold,
  messagesToHub,
  ResponsesEncoder,
  ResponsesFold,
  responsesEvents,
  type SseEvent,
  SseParser,
  ToolNames,
} from "@moho/wire";
import { describe, expect, it } from "vitest";
import { CHAT, MESSAGES } from "./translate-capabilities.ts";
import { answer, type HistoryOptions, history, words } from "./translate-random.ts";

const SEEDS = Array.from({ length: 60 }, (_, seed) => seed + 1);
const CONTEXT = { endpoint: "http://upstream" };
const HEAD = { id: "x_1", model: "m", createdAt: 1 };
const USAGE: Usage = { input: 10, cacheRead: 4, cacheWrite: 2, output: 5, reasoning: 3 };

const TOOLS: ToolSpec[] = [
  { type: "function", name: "read", parameters: { type: "object" } },
  {
    type: "custom",
    name: "apply_patch",
    format: { type: "grammar", syntax: "lark", definition: "start: /.+/" },
  },
  {
    type: "namespace",
    name: "agents",
    tools: [{ type: "function", name: "spawn", parameters: { type: "object" } }],
  },
];

const signed = (random: Random): Item => ({
  type: "reasoning",
  summary: [{ type: "summary_text", text: words(random) }],
  encrypted_content: `moho.thinking.sig${random.int(1e9)}`,
});
const raw = (random: Random): Item => ({
  type: "reasoning",
  summary: [],
  content: [{ type: "reasoning_text", text: words(random) }],
});

interface Fold {
  push(event: SseEvent): ModelEvent[];
  end(cause?: unknown): ModelEvent[];
}
interface Encoder {
  push(event: ModelEvent): string[];
}
interface Dialect {
  fold(names?: ToolNames): Fold;
  encoder(): Encoder;
  reasoning: (random: Random) => Item;
}
const DIALECTS: Record<string, Dialect> = {
  chat: {
    fold: (names) => new ChatFold(CONTEXT, undefined, names),
    encoder: () => new ChatEncoder(HEAD, { includeUsage: true }),
    reasoning: raw,
  },
  messages: {
    fold: (names) => new MessagesFold(CONTEXT, undefined, names),
    encoder: () => new MessagesEncoder(HEAD),
    reasoning: signed,
  },
  responses: {
    fold: () => new ResponsesFold(CONTEXT),
    encoder: () => new ResponsesEncoder(HEAD),
    reasoning: raw,
  },
};

function folded(fold: Fold, chunks: Iterable<Uint8Array>): ModelEvent[] {
  const parser = new SseParser();
  const events: ModelEvent[] = [];
  for (const chunk of chunks) for (const event of parser.push(chunk)) events.push(...fold.push(event));
  for (const event of parser.end()) events.push(...fold.push(event));
  return [...events, ...fold.end()];
}
/** The events that a fold of Responses makes of an answer. */
function hubEvents(items: readonly Item[]): ModelEvent[] {
  const events = [...responsesEvents({ ...HEAD, items, usage: USAGE }, 3)];
  return folded(new ResponsesFold(CONTEXT), [Buffer.from(events.map(formatResponsesEvent).join(""))]);
}
const encoded = (encoder: Encoder, events: readonly ModelEvent[]): string =>
  events.flatMap((event) => encoder.push(event)).join("");
const done = (events: readonly ModelEvent[]): Item[] =>
  events.flatMap((event) => (event.type === "item.done" ? [event.item] : []));
const ends = (events: readonly ModelEvent[]): ModelEvent[] =>
  events.filter(({ type }) => type === "completed" || type === "failed");

/** Without what a server gives: ids, statuses. */
function plain(items: readonly Item[]): unknown[] {
  return items.map(({ id: _id, status: _status, ...item }) => item);
}
/** As an upstream of a flat dialect writes it: functions only. */
function flattened(items: readonly Item[], names: ToolNames): Item[] {
  return items.map((item) => {
    if (item.type !== "function_call" && item.type !== "custom_tool_call") return item;
    const kind = item.type === "function_call" ? "function" : "custom";
    const space = item["namespace"];
    const name = names.wire({
      kind,
      name: item.name,
      ...(typeof space === "string" && { namespace: space }),
    });
    const text = item.type === "function_call" ? item.arguments : JSON.stringify({ input: item.input });
    return { type: "function_call", call_id: item.call_id, name, arguments: text };
  });
}

describe.each(Object.entries(DIALECTS))("answers in %s", (name, dialect) => {
  it("come back as they were, however the bytes are cut", () => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const items = answer(random, dialect.reasoning);
      const { names } = hubToChat({ model: "m", input: "x", tools: TOOLS }, CHAT);
      const upstream = name === "responses" ? items : flattened(items, names);
      const text = encoded(dialect.encoder(), hubEvents(upstream));
      const events = folded(dialect.fold(names), randomChunks(Buffer.from(text), random, 40));
      expect(plain(done(events)), `seed ${seed}`).toEqual(plain(items));
      expect(events.at(-1)).toMatchObject({ type: "completed", usage: USAGE });
    }
  });

  it("are whole also when their items come without deltas, or unannounced", () => {
    for (const seed of SEEDS) {
      const items = flattened(answer(seededRandom(seed), dialect.reasoning), new ToolNames());
      const without = (...gone: string[]): Item[] => {
        const events = hubEvents(items).filter(({ type }) => !gone.some((end) => type.endsWith(end)));
        return done(folded(dialect.fold(), [Buffer.from(encoded(dialect.encoder(), events))]));
      };
      expect(plain(without(".delta")), `seed ${seed}`).toEqual(plain(items));
      expect(plain(without(".delta", ".started")), `seed ${seed}`).toEqual(plain(items));
    }
  });

  it("end exactly once and never act on half a call, wherever they are cut", () => {
    for (const seed of SEEDS.slice(0, 6)) {
      const random = seededRandom(seed);
      const items = flattened(answer(random, dialect.reasoning), new ToolNames());
      const whole = Buffer.from(encoded(dialect.encoder(), hubEvents(items)));
      for (let at = 0; at < whole.length; at += 1 + random.int(11)) {
        const events = folded(dialect.fold(), [whole.subarray(0, at)]);
        expect(ends(events)).toHaveLength(1);
        expect(events.at(-1)).toBe(ends(events)[0]);
        for (const call of done(events).filter(({ type }) => type === "function_call")) {
          expect(plain(items)).toContainEqual(plain([call])[0]);
        }
      }
    }
  });

  it("survive any damage with exactly one end", () => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const text = encoded(dialect.encoder(), hubEvents(answer(random, dialect.reasoning)));
      const bytes = Buffer.from(text);
      for (let n = 0; n < 6; n++) bytes[random.int(bytes.length)] = random.int(256);
      const events = folded(dialect.fold(), randomChunks(bytes, random, 60));
      expect(ends(events)).toHaveLength(1);
      expect(events.at(-1)).toBe(ends(events)[0]);
    }
  });

  it("survive events of random shape", () => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const lines = encoded(dialect.encoder(), hubEvents(answer(random, dialect.reasoning))).split("\n");
      const mangled = lines.map((line) => (random.int(3) === 0 ? mangle(line, random) : line)).join("\n");
      const events = folded(dialect.fold(), [Buffer.from(mangled)]);
      expect(ends(events)).toHaveLength(1);
    }
  });
});

const ODD = [null, 1, "x", [], {}, true, { type: 5 }, [[]], -1];
function mangle(line: string, random: Random): string {
  const start = line.indexOf("{");
  if (start < 0) return line;
  try {
    const value: unknown = JSON.parse(line.slice(start));
    return line.slice(0, start) + JSON.stringify(mangled(value, random));
  } catch {
    return line;
  }
}
function mangled(value: unknown, random: Random): unknown {
  if (typeof value !== "object" || value === null || random.int(6) === 0) return random.pick(ODD);
  const entries = Object.entries(value);
  if (entries.length === 0) return value;
  const [key, inner] = random.pick(entries);
  const changed = { ...value, [key]: mangled(inner, random) };
  return Array.isArray(value) ? Object.values(changed) : changed;
}

describe("an answer that reached its limit, in Responses", () => {
  it("shows the cut message as incomplete, and no end of the cut call", () => {
    const error = new MohoError("output_limit", "cut");
    const events: ModelEvent[] = [
      { type: "item.started", index: 0, item: { type: "message", role: "assistant", content: [] } },
      { type: "text.delta", index: 0, delta: "half" },
      {
        type: "item.started",
        index: 1,
        item: { type: "function_call", call_id: "c", name: "f", arguments: "" },
      },
      { type: "arguments.delta", index: 1, delta: "{}" },
      { type: "failed", error, usage: USAGE },
    ];
    const parser = new SseParser();
    const sent = parser.push(Buffer.from(encoded(new ResponsesEncoder(HEAD), events)));
    const data = sent.map((event) => JSON.parse(event.data));
    expect(data.filter(({ type }) => type === "response.output_item.done")).toMatchObject([
      { output_index: 0, item: { type: "message", status: "incomplete", content: [{ text: "half" }] } },
    ]);
    expect(data.at(-1)).toMatchObject({
      type: "response.incomplete",
      response: {
        status: "incomplete",
        incomplete_details: { reason: "max_output_tokens" },
        usage: { total_tokens: 24 },
      },
    });
    expect(data.at(-1).response.output).toHaveLength(1);
  });
});

describe("requests", () => {
  const request = (input: Item[]): ResponsesRequest => ({
    model: "m",
    input,
    tools: [
      { type: "function", name: "read", description: "d", parameters: { type: "object" } },
      { type: "function", name: "write", parameters: { type: "object" }, strict: true },
    ],
    tool_choice: "auto",
    max_output_tokens: 5000,
  });
  const toChat = (hub: ResponsesRequest): string => hubToChat(hub, CHAT).body;
  const toMessages = (hub: ResponsesRequest): string => hubToMessages(hub, MESSAGES).body;
  const cases: [
    string,
    (hub: ResponsesRequest) => string,
    (body: unknown) => ResponsesRequest,
    HistoryOptions["reasoning"],
  ][] = [
    ["chat", toChat, (body) => chatToHub(body).request, raw],
    ["messages", toMessages, (body) => messagesToHub(body).request, signed],
  ];

  it.each(cases)("%s: there and back gives the same bytes", (_name, out, back, reasoning) => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const options = { interrupted: seed % 2 === 0, mixed: seed % 3 === 0, reasoning };
      const first = out(request(history(random, 1 + random.int(4), options)));
      expect(out(back(JSON.parse(first))), `seed ${seed}`).toBe(first);
    }
  });

  it("messages: there and back gives the same items, what is expressible", () => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const items = history(random, 3, { interrupted: false, mixed: true, reasoning: signed });
      const { request: again } = messagesToHub(JSON.parse(toMessages(request(items))));
      const [first, ...rest] = items;
      // Instructions at the beginning are the system prompt.
      expect(again.input[0]).toEqual({ ...first, role: "system" });
      expect(again.input.slice(1), `seed ${seed}`).toEqual(rest);
    }
  });

  it("chat: there and back gives the same items, what is expressible", () => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const items = history(random, 3, { interrupted: false, mixed: false, reasoning: raw }).map(textual);
      const { request: again } = chatToHub(JSON.parse(toChat(request(items))));
      expect(simple(again.input as Item[]), `seed ${seed}`).toEqual(simple(items));
    }
  });

  it.each(cases)(
    "%s: a longer history begins with the bytes of the shorter one",
    (name, out, _back, reasoning) => {
      for (const seed of SEEDS) {
        const items = history(seededRandom(seed), 4, { interrupted: false, mixed: true, reasoning });
        for (const [at, item] of items.entries()) {
          // A body is closed after a user's words; everything up to there is prefix.
          if (item.type !== "message" || item.role !== "user") continue;
          const shorter = out(request(items.slice(0, at + 1))).replace(/[\]}]+$/, "");
          expect(out(request(items)).startsWith(shorter), `${name} seed ${seed} item ${at}`).toBe(true);
        }
      }
    },
  );

  it("are valid for Chat however the history was interrupted", () => {
    for (const seed of SEEDS) {
      const items = history(seededRandom(seed), 4, { interrupted: true, mixed: true, reasoning: raw });
      checkChat(JSON.parse(toChat(request(items))).messages);
    }
  });

  it("are valid for Messages however the history was interrupted", () => {
    for (const seed of SEEDS) {
      const items = history(seededRandom(seed), 4, { interrupted: true, mixed: true, reasoning: signed });
      const cut = items.slice(0, 2 + seededRandom(seed).int(items.length - 2));
      checkMessages(JSON.parse(toMessages(request(cut))).messages);
    }
  });
});

type Block = Record<string, unknown> & { type: string };

function checkChat(messages: Record<string, unknown>[]): void {
  let open: string[] = [];
  for (const { role, tool_calls: calls, tool_call_id: id } of messages) {
    if (role === "tool") expect(open.shift()).toBe(id);
    else expect(open).toEqual([]);
    if (role === "assistant") open = ((calls ?? []) as { id: string }[]).map((call) => call.id);
  }
  expect(open).toEqual([]);
}

function checkMessages(messages: { role: string; content: Block[] }[]): void {
  const seen = new Set<unknown>();
  let open: unknown[] = [];
  for (const [at, { role, content }] of messages.entries()) {
    expect(role).toBe(at % 2 === 0 ? "user" : "assistant");
    expect(content.length).toBeGreaterThan(0);
    const results = content.filter(({ type }) => type === "tool_result").map((block) => block["tool_use_id"]);
    expect(results).toEqual(open);
    expect(content.slice(0, results.length).every(({ type }) => type === "tool_result")).toBe(true);
    open = content.filter(({ type }) => type === "tool_use").map((block) => block["id"]);
    for (const id of open) {
      expect(seen.has(id)).toBe(false);
      expect(id).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
      seen.add(id);
    }
    for (const block of content) if (block.type === "text") expect(String(block["text"]).trim()).not.toBe("");
    if (role === "assistant") expect(content.at(-1)!.type).not.toMatch(/thinking/);
  }
  expect(open).toEqual([]);
}

/** Chat moves images of results into a message of their own. */
function textual(item: Item): Item {
  const rich = item.type === "function_call_output" && typeof item.output !== "string";
  return rich ? { ...item, output: "text" } : item;
}

/** One text or a list of one is the same. */
function simple(items: readonly Item[]): unknown[] {
  return items.map((item) => {
    if (item.type !== "message" || typeof item.content === "string") return item;
    const [part] = item.content;
    const alone = item.content.length === 1 && part !== undefined && "text" in part;
    const content = item.content.map((each) =>
      "annotations" in each ? { type: each.type, text: each["text"] } : each,
    );
    return { ...item, content: alone ? (part as { text: string }).text : content };
  });
}

describe("attacks", () => {
  const many = 60_000;
  const call = (id: string, text = "{}"): Item => ({
    type: "function_call",
    call_id: id,
    name: "read",
    arguments: text,
  });
  const result = (id: string): Item => ({ type: "function_call_output", call_id: id, output: "x" });
  const hub = (input: Item[]): ResponsesRequest => ({ model: "m", input });

  it("one id for every call costs no more than many", () => {
    const input = Array.from({ length: many }, () => call("same"));
    for (let n = 0; n < many; n++) input.push(result("same"));
    const { messages } = JSON.parse(hubToMessages(hub(input), MESSAGES).body);
    checkMessages(messages);
  });
  it("one id for every call of an answer costs no more than many", () => {
    const fold = new ChatFold(CONTEXT);
    const calls = Array.from({ length: many }, (_, index) => ({
      index,
      id: "same",
      function: { name: "f", arguments: "{}" },
    }));
    const chunk = { choices: [{ delta: { tool_calls: calls }, finish_reason: "tool_calls" }] };
    const events = fold.push({ event: "", data: JSON.stringify(chunk) });
    expect(new Set(done(events).map((item) => item["call_id"])).size).toBe(many);
  });
  it("very many parts do not overflow a stack", () => {
    const text = { type: "text", text: "x" };
    const content = Array.from({ length: 300_000 }, () => text);
    const body = {
      model: "m",
      max_tokens: 9,
      messages: [
        { role: "user", content },
        { role: "user", content },
      ],
    };
    const { request } = messagesToHub(body);
    expect(JSON.parse(hubToMessages(request, MESSAGES).body).messages[0].content).toHaveLength(600_000);
    const chat = {
      model: "m",
      messages: [
        { role: "user", content },
        { role: "assistant", content },
      ],
    };
    hubToChat(chatToHub(chat).request, CHAT);
  });
  it("arguments nested without end do not overflow a stack", () => {
    const deep = `{"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
    const { body } = hubToMessages(hub([call("a", deep), result("a")]), MESSAGES);
    expect(JSON.parse(body).messages[1].content[0].input).toEqual({ arguments: deep });
    const start = `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":${deep}}}`;
    expect(() => new MessagesFold(CONTEXT).push({ event: "", data: start })).not.toThrow();
    const chunk = `{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":${deep}}}]}}]}`;
    expect(() => new ChatFold(CONTEXT).push({ event: "", data: chunk })).not.toThrow();
  });
});
