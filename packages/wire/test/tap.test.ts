import type { Item, Usage } from "@moho/protocol";
import { calls, randomChunks, says, seededRandom, thinks } from "@moho/testkit";
import {
  formatResponsesEvent,
  formatSse,
  ResponsesTap,
  readResponsesUsage,
  responsesBody,
  responsesEvents,
  SseParser,
  type TapReading,
} from "@moho/wire";
import { describe, expect, it } from "vitest";

const USAGE: Usage = { input: 10, cacheRead: 4, cacheWrite: 2, output: 5, reasoning: 3 };
const ITEMS: readonly Item[] = [
  thinks('a "plan"\n\u0001'),
  says('say "delta":"x" and \\ é 😀 {"type":"response.completed"}'),
  calls("exec_command", { cmd: 'echo "delta":"' }, "call_1"),
];
const ANSWER = { id: "resp_1", model: "openai.gpt-5.5", createdAt: 1, items: ITEMS, usage: USAGE };
const STREAM = Buffer.from([...responsesEvents(ANSWER, 3)].map(formatResponsesEvent).join(""));

function tap(chunks: Iterable<Uint8Array>, contentType = "text/event-stream; charset=utf-8"): TapReading {
  const reader = new ResponsesTap(contentType);
  for (const chunk of chunks) reader.write(chunk);
  reader.end();
  return reader.reading;
}

/** What a reader that parses every event finds. */
function fullParse(bytes: Uint8Array): Partial<TapReading> {
  const parser = new SseParser();
  let outputCharacters = 0;
  let terminal = false;
  let response: Record<string, unknown> = {};
  for (const { data } of [...parser.push(bytes), ...parser.end()]) {
    const event = parseOrEmpty(data);
    if (typeof event["delta"] === "string") outputCharacters += event["delta"].length;
    if (event["response"] !== undefined) response = event["response"] as Record<string, unknown>;
    terminal ||= /^response\.(completed|failed|incomplete)$/.test(String(event["type"]));
  }
  return {
    responseId: response["id"] as string | undefined,
    model: response["model"] as string | undefined,
    status: response["status"] as string | undefined,
    usage: readResponsesUsage(response["usage"])?.usage,
    outputCharacters,
    terminal,
  };
}

/** The last event of a cut stream may be whole without its blank line, or not. */
function parseOrEmpty(data: string): Record<string, unknown> {
  try {
    return JSON.parse(data) as Record<string, unknown>;
  } catch {
    return {};
  }
}

describe("reads a stream as a full parse does", () => {
  it("whole, however it is cut", () => {
    const expected = fullParse(STREAM);
    expect(expected).toMatchObject({
      responseId: "resp_1",
      status: "completed",
      usage: USAGE,
      terminal: true,
    });
    for (let seed = 1; seed <= 60; seed++) {
      const reading = tap(randomChunks(STREAM, seededRandom(seed), 1 + seed * 3));
      expect(reading).toMatchObject({
        ...expected,
        contradiction: undefined,
        failure: undefined,
        atBoundary: true,
      });
    }
  });
  it("up to any byte", () => {
    for (let end = 0; end < STREAM.length - 2; end += 11) {
      const part = STREAM.subarray(0, end);
      expect(tap([part])).toMatchObject(fullParse(part));
    }
  });
  it("without event names, and with spaces in its JSON", () => {
    const loose = [...responsesEvents(ANSWER, 3)]
      .map((event) => formatSse("", JSON.stringify(event, null, 1).replaceAll("\n", " ")))
      .join("");
    expect(tap([Buffer.from(loose)])).toMatchObject(fullParse(STREAM));
  });
  it("and never changes the bytes it is shown", () => {
    const copy = Buffer.from(STREAM);
    tap(randomChunks(copy, seededRandom(1), 50));
    expect(copy.equals(STREAM)).toBe(true);
  });
});

describe("what an estimate is made of", () => {
  const delta = (text: string, raw = JSON.stringify(text)) =>
    `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":${raw}}\n\n`;
  it("characters beyond ASCII are counted apart, also as escapes", () => {
    const bytes = Buffer.from(delta("ab漢字é\n") + delta("", '"\\u6f22\\u0041\\n"') + delta("", ' "é"'));
    expect(tap([bytes])).toMatchObject({ outputCharacters: 10, outputWide: 5 });
  });
  it("usage in a head is none", () => {
    const head = { id: "resp_1", status: "in_progress", usage: { input_tokens: 0, output_tokens: 0 } };
    const bytes = Buffer.from(formatSse("response.created", JSON.stringify({ response: head })));
    expect(tap([bytes])).toMatchObject({ responseId: "resp_1", usage: undefined });
  });
  it("tools that the server runs show", () => {
    const ran = (type: string) => tap([Buffer.from(formatSse(type, JSON.stringify({ type })))]).hostedTool;
    for (const type of ["response.web_search_call.searching", "response.mcp_list_tools.in_progress"])
      expect(ran(type)).toBe(true);
    for (const type of ["response.function_call_arguments.done", "response.custom_tool_call_input.done"])
      expect(ran(type)).toBe(false);
  });
});

describe("failures", () => {
  it("response.failed", () => {
    const end = { status: "failed", code: "server_error", message: "sorry" } as const;
    const bytes = Buffer.from([...responsesEvents({ ...ANSWER, end })].map(formatResponsesEvent).join(""));
    expect(tap([bytes])).toMatchObject({
      status: "failed",
      failure: { code: "server_error", message: "sorry" },
      usage: USAGE,
      terminal: true,
    });
  });
  for (const data of [
    '{"type":"error","code":"slow","message":"m"}',
    '{"type":"error","error":{"code":"slow","message":"m"}}',
  ]) {
    it(data, () => {
      const reading = tap([Buffer.from(formatSse("error", data))]);
      expect(reading).toMatchObject({
        status: "failed",
        failure: { code: "slow", message: "m" },
        terminal: true,
      });
    });
  }
  it("a stream that breaks in the middle of an event is known to", () => {
    const reader = new ResponsesTap("text/event-stream");
    reader.write(STREAM.subarray(0, 900));
    expect(reader.reading).toMatchObject({
      responseId: "resp_1",
      status: "in_progress",
      terminal: false,
      atBoundary: false,
    });
  });
  it("what is no Responses answer at all is survived", () => {
    for (const junk of [
      "event: response.completed\ndata: {]\n\n",
      "data: 5\n\n",
      "\0\0\0",
      '{"a":',
      'event: response.created\ndata: {"response":7}\n\n',
    ]) {
      expect(tap([Buffer.from(junk)]).responseId).toBeUndefined();
      expect(tap([Buffer.from(junk)], "application/json").terminal).toBe(false);
    }
  });
});

describe("a JSON body", () => {
  const body = Buffer.from(JSON.stringify(responsesBody(ANSWER)));
  it("is read at its end", () => {
    const reading = tap(randomChunks(body, seededRandom(5), 100), "application/json");
    expect(reading).toMatchObject({
      responseId: "resp_1",
      model: ANSWER.model,
      status: "completed",
      usage: USAGE,
      terminal: true,
    });
  });
  it("that breaks off has no usage and no end", () => {
    expect(tap([body.subarray(0, -1)], "application/json")).toMatchObject({
      usage: undefined,
      terminal: false,
    });
  });
});

it("numbers what a gateway adds to a broken stream", () => {
  const reader = new ResponsesTap("text/event-stream");
  expect(reader.nextSequence()).toBe(0);
  const events = [...responsesEvents(ANSWER, 3)].slice(0, 9);
  reader.write(Buffer.from(`${events.map(formatResponsesEvent).join("")}event: response.out`));
  expect(reader.nextSequence()).toBe(9);
});

it("says once when the first output passes", () => {
  const seen: number[] = [];
  let written = 0;
  const reader = new ResponsesTap("text/event-stream", () => seen.push(written));
  for (const event of responsesEvents(ANSWER, 3)) {
    written++;
    reader.write(Buffer.from(formatResponsesEvent(event)));
  }
  const first = [...responsesEvents(ANSWER, 3)].findIndex((event) => "delta" in event) + 1;
  expect(seen).toEqual([first]);
});
