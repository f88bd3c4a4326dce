import { randomChunks, seededRandom } from "@moho/testkit";
import { formatSse, type SseEvent, SseParser } from "@moho/wire";
import { describe, expect, it } from "vitest";

function parse(chunks: Iterable<Uint8Array>, limit?: number): SseEvent[] {
  const parser = new SseParser(limit);
  const events = [...chunks].flatMap((chunk) => parser.push(chunk));
  return [...events, ...parser.end()];
}
const parseText = (text: string): SseEvent[] => parse([Buffer.from(text)]);

describe("the parser follows the specification", () => {
  const cases: [string, string, SseEvent[]][] = [
    ["LF", "event: a\ndata: 1\n\n", [{ event: "a", data: "1" }]],
    [
      "CRLF",
      "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n",
      [
        { event: "a", data: "1" },
        { event: "", data: "2" },
      ],
    ],
    [
      "CR",
      "event: a\rdata: 1\r\rdata: 2\r\r",
      [
        { event: "a", data: "1" },
        { event: "", data: "2" },
      ],
    ],
    ["no event name", "data: 1\n\n", [{ event: "", data: "1" }]],
    ["several data lines", "data: 1\ndata:2\ndata\ndata:  3\n\n", [{ event: "", data: "1\n2\n\n 3" }]],
    [
      "comments, ids, retries and foreign fields",
      ": hi\nid: 1\nretry: 2\ndatax: 3\neventful: 4\ndata: 5\n\n",
      [{ event: "", data: "5" }],
    ],
    ["byte order mark", "\ufeffdata: 1\n\n", [{ event: "", data: "1" }]],
    ["a second mark is data", "data: 1\n\n\ufeffdata: 2\n\n", [{ event: "", data: "1" }]],
    ["an event without data is none", "event: a\n\ndata: 1\n\n", [{ event: "", data: "1" }]],
    ["an empty data line is an event", "data\n\n", [{ event: "", data: "" }]],
    ["blank lines", "\n\n\ndata: 1\n\n\n\n", [{ event: "", data: "1" }]],
    ["the last name counts", "event: a\nevent: b\ndata: 1\n\n", [{ event: "b", data: "1" }]],
    [
      "last event without blank line",
      "data: 1\n\ndata: 2\n",
      [
        { event: "", data: "1" },
        { event: "", data: "2", fault: "unterminated" },
      ],
    ],
    ["last event without line end", "event: a\ndata: 2", [{ event: "a", data: "2", fault: "unterminated" }]],
    ["nothing", "", []],
  ];
  for (const [name, text, events] of cases) {
    it(name, () => expect(parseText(text)).toEqual(events));
  }

  it("replaces broken UTF-8, as browsers do", () => {
    const bytes = Buffer.concat([Buffer.from("data: a"), Buffer.from([0xe2, 0x82]), Buffer.from("b\n\n")]);
    expect(parse([bytes])).toEqual([{ event: "", data: "a\ufffdb" }]);
    expect(parse([Buffer.concat([Buffer.from("data: a"), Buffer.from([0xf0, 0x9f])])])).toEqual([
      { event: "", data: "a\ufffd", fault: "unterminated" },
    ]);
  });
});

describe("chunking never changes the result", () => {
  const pieces = [
    "event: ",
    "data:",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "é",
    "€",
    "😀",
    "x".repeat(50),
    ": c",
    "\ufeff",
    '{"a":1}',
    "id: 3",
  ];
  for (let seed = 1; seed <= 300; seed++) {
    it(`seed ${seed}`, () => {
      const random = seededRandom(seed);
      const parts = Array.from({ length: random.int(60) }, () => Buffer.from(random.pick(pieces)));
      if (random.int(4) === 0) parts.push(Buffer.from([0xc3, 0x28, 0xf0, 0x9f, 0x98]));
      const bytes = Buffer.concat(parts);
      const whole = parse([bytes]);
      for (const largest of [1, 2, 7, 64]) expect(parse(randomChunks(bytes, random, largest))).toEqual(whole);
    });
  }
});

describe("memory is bounded", () => {
  const after = Buffer.from("\n\ndata: next\n\n");

  it("drops an event with one endless line, and goes on with the next", () => {
    const endless = Array.from({ length: 100 }, () => Buffer.from("x".repeat(100)));
    expect(parse([Buffer.from("event: a\ndata: "), ...endless, after], 1000)).toEqual([
      { event: "a", data: "", fault: "too_large" },
      { event: "", data: "next" },
    ]);
  });

  it("drops an event of endlessly many lines", () => {
    const endless = Array.from({ length: 100 }, () => Buffer.from(`data: ${"x".repeat(100)}\n`));
    expect(parse([...endless, after], 1000)).toEqual([
      { event: "", data: "", fault: "too_large" },
      { event: "", data: "next" },
    ]);
  });

  it("drops an event that comes in endlessly many tiny pieces, long before its characters are many", () => {
    const drip = Array.from({ length: 100 }, () => Buffer.from("x"));
    expect(parse([Buffer.from("data: "), ...drip, after], 1000)[0]).toEqual({
      event: "",
      data: "",
      fault: "too_large",
    });
    const lines = Array.from({ length: 100 }, () => Buffer.from("data\n"));
    expect(parse([...lines, after], 1000)[0]).toEqual({ event: "", data: "", fault: "too_large" });
  });

  it("is not fooled by a line end right behind the cut", () => {
    const chunks = [
      Buffer.from(`data: ${"x".repeat(2000)}`),
      Buffer.from("\ndata: still the same\n\ndata: next\n\n"),
    ];
    expect(parse(chunks, 1000)).toEqual([
      { event: "", data: "", fault: "too_large" },
      { event: "", data: "next" },
    ]);
  });
});

it("knows when it stands between events", () => {
  const parser = new SseParser();
  expect(parser.atBoundary).toBe(true);
  parser.push(Buffer.from("data: 1"));
  expect(parser.atBoundary).toBe(false);
  parser.push(Buffer.from("\n"));
  expect(parser.atBoundary).toBe(false);
  parser.push(Buffer.from("\n"));
  expect(parser.atBoundary).toBe(true);
  parser.push(Buffer.from([0xe2]));
  expect(parser.atBoundary).toBe(false);
});

it("writes what it reads", () => {
  const events = [
    { event: "a", data: "one\ntwo" },
    { event: "", data: "" },
  ];
  const text = events.map(({ event, data }) => formatSse(event, data)).join(": still here\n\n");
  expect(parseText(text)).toEqual(events);
});
