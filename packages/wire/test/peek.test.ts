import { type Random, seededRandom } from "@moho/testkit";
import { peekResponses, type ResponsesPeek, withMembers } from "@moho/wire";
import { describe, expect, it } from "vitest";

const bytes = (text: string): Buffer => Buffer.from(text);
const peek = (text: string): ResponsesPeek => peekResponses(bytes(text));

describe("reads what a gateway must know", () => {
  it("all of it", () => {
    const body = JSON.stringify({
      input: [
        { type: "message", role: "user", content: [{ type: "input_text", text: 'say "input_file"' }] },
        { type: "message", role: "user", content: [{ type: "input_image" }, { type: "input_image" }] },
        { type: "item_reference", id: "msg_1" },
      ],
      model: "openai.gpt-5.5",
      stream: true,
      max_output_tokens: 1000,
      store: false,
      background: true,
      previous_response_id: "resp_ü",
      service_tier: "flex",
      conversation: { id: "conv_1" },
      prompt: { id: "pmpt_1" },
    });
    const { members, ...rest } = peek(body);
    expect(rest).toEqual({
      model: "openai.gpt-5.5",
      stream: true,
      maxOutputTokens: 1000,
      store: false,
      background: true,
      previousResponseId: "resp_ü",
      serviceTier: "flex",
      conversation: true,
      prompt: true,
      input: { image: 2, file: 0, itemReference: 1, unknown: false },
      hostedTools: [],
    });
    const model = members.get("model")!;
    expect(bytes(body).subarray(model.start, model.end).toString()).toBe('"openai.gpt-5.5"');
  });

  it("nothing, from an empty object", () => {
    const { members, ...rest } = peek(" { } \n");
    expect(members.size).toBe(0);
    expect(rest.model).toBeUndefined();
    expect(rest.stream).toBe(false);
    expect(rest.maxOutputTokens).toBeUndefined();
  });

  it("null as absent, and nested members not at all", () => {
    const result = peek(
      '{"model":null,"max_output_tokens":null,"metadata":{"model":"x","store":true},"a":[{"stream":true}]}',
    );
    expect(result.model).toBeUndefined();
    expect(result.store).toBeUndefined();
    expect(result.stream).toBe(false);
  });

  it("escaped values", () => {
    expect(peek('{"model":"open\\u0061i\\/x\\\\"}').model).toBe("openai/x\\");
  });
});

describe("finds images, files and references however they are written", () => {
  const cases: [string, string, Partial<ResponsesPeek["input"]>][] = [
    ["escaped value", '{"input":[{"type":"item\\u005freference"}]}', { itemReference: 1 }],
    ["escaped key", '{"input":[{"t\\u0079pe":"input_image"}]}', { image: 1 }],
    ["twice the key", '{"input":[{"type":"message","type":"input_file"}]}', { file: 1 }],
    ["deep inside", '{"input":[[{"a":{"type":"input_image"}}]]}', { image: 1 }],
    ["white space", '{"input" : [ { "type" : "input_image" } ] }', { image: 1 }],
    [
      "text that says so",
      '{"input":[{"type":"input_text","text":"input_image"},"input_image",{"input_image":"type"}]}',
      {},
    ],
    ["after a nested object", '{"input":[{"type":{"a":1}},"input_image"]}', {}],
    ["a list under type", '{"input":[{"type":["input_image"]}]}', {}],
    ["outside of input", '{"tools":[{"type":"input_image"}]}', {}],
  ];
  for (const [name, body, expected] of cases) {
    it(name, () =>
      expect(peek(body).input).toMatchObject({ image: 0, file: 0, itemReference: 0, ...expected }),
    );
  }
});

describe("finds what costs more than its bytes", () => {
  const cases: [string, string, string[], boolean][] = [
    ["no tools", "{}", [], false],
    [
      "tools that the client runs",
      '{"tools":[{"type":"function","parameters":{"type":"object","properties":{"a":{"type":"web_search"}},"anyOf":[{"type":"x"}]}},' +
        '{"type":"custom","format":{"type":"grammar"}},{"type":"tool_search"},{"type":"namespace","tools":[{"type":"function"}]}]}',
      [],
      false,
    ],
    ["a hosted tool", '{"tools":[{"type":"function"},{"type":"web_search"}]}', ["web_search"], false],
    ["one that nobody knows", '{"tools":[{"type":"telepathy"}]}', ["telepathy"], false],
    ["in a namespace", '{"tools":[{"type":"namespace","tools":[{"type":"mcp"}]}]}', ["mcp"], false],
    ["escaped", '{"tools":[{"t\\u0079pe":"web\\u005fsearch"}]}', ["web_search"], false],
    [
      "behind sixteen others",
      `{"tools":[${Array.from({ length: 20 }, (_, i) => `{"type":"t${i}"}`).join()}]}`,
      [...Array.from({ length: 15 }, (_, i) => `t${i}`), "…"],
      false,
    ],
    ["behind a second type", '{"tools":[{"type":"web_search","type":"function"}]}', ["web_search"], false],
    ["under another case", '{"tools":[{"type":"function","Type":"web_search"}]}', ["Type"], false],
    ["behind nested values", '{"tools":[{"a":[{"b":[]}],"c":{},"type":"mcp"}]}', ["mcp"], false],
    [
      "an input item that nobody knows",
      '{"input":[{"type":"message","content":[{"type":"input_video"}]}]}',
      [],
      true,
    ],
    [
      "a hosted tool in the input",
      '{"input":[{"type":"tool_search_output","tools":[{"type":"namespace","tools":[{"type":"web_search"}]}]}]}',
      [],
      true,
    ],
    ["known input", '{"input":[{"role":"user","content":[{"type":"input_text","text":"x"}]}]}', [], false],
  ];
  for (const [name, body, hostedTools, unknown] of cases) {
    it(name, () => expect(peek(body)).toMatchObject({ hostedTools, input: { unknown } }));
  }
  it("screenshots, and images in instructions", () => {
    const shot = '{"input":[{"type":"computer_call_output","output":{"type":"computer_screenshot"}}]';
    expect(peek(`${shot},"instructions":[{"content":[{"type":"input_image"}]}]}`).input.image).toBe(2);
  });
  it("every function schema of an agent's tools stays out of it", () => {
    const tools = [{ type: "function", name: "f", parameters: { anyOf: [{ type: "object" }] } }];
    expect(peek(JSON.stringify({ tools })).hostedTools).toEqual([]);
  });
});

describe("a body made to be slow", () => {
  const filled = (piece: string, before: string, after: string): Buffer =>
    Buffer.from(before + piece.repeat((25 * 1024 * 1024) / piece.length) + after);
  it("of 700,000 keys is refused at the 257th", () => {
    const keys = Array.from({ length: 700_000 }, (_, i) => `"k${i}":1`).join(",");
    expect(() => peek(`{${keys}}`)).toThrow(/more than 256 keys stand at its top \(byte \d{4}\)/);
  });
  it("of brackets alone is refused at their 513th", () => {
    expect(() => peekResponses(filled("[", '{"input":', ""))).toThrow(/deeper than 512/);
  });
});

describe("refuses what two parsers could read differently", () => {
  const cases: [string, string | Buffer, RegExp][] = [
    ["the same key twice", '{"model":"cheap","model":"dear"}', /`model` comes twice.*byte 17/],
    ["the same key twice, once escaped", '{"model":"cheap","mod\\u0065l":"dear"}', /comes twice/],
    ["an escaped key", '{"mod\\u0065l":"dear"}', /`model` is spelled/],
    ["another case, which Go takes", '{"model":"cheap","Model":"dear"}', /`model` is spelled `Model`/],
    ["the Kelvin sign, which Go takes", '{"max_output_to\u212aens":1}', /`max_output_tokens` is spelled/],
    ["the long s, which Go takes", '{"\u017ftream":true}', /`stream` is spelled/],
    ["any key twice", '{"x":1,"x":2}', /`x` comes twice/],
    ["a number as model", '{"model":7}', /`model` must be a string, not a number/],
    ["a string as stream", '{"stream":"true"}', /`stream` must be a boolean/],
    ["a string as limit", '{"max_output_tokens":"5"}', /must be a number/],
    ["a float as limit", '{"max_output_tokens":5.0}', /whole number in plain digits/],
    ["an exponent as limit", '{"max_output_tokens":1e3}', /whole number in plain digits/],
    ["a negative limit", '{"max_output_tokens":-1}', /whole number/],
    ["a limit beyond exact numbers", '{"max_output_tokens":9007199254740993}', /whole number/],
    ["an octal-looking limit", '{"max_output_tokens":010}', /begin with 0/],
    ["a wrong escape in a value that is read", '{"model":"\\x"}', /`model` has a wrong escape/],
    ["a half escape in a value that is read", '{"model":"\\u00"}', /`model` has a wrong escape/],
    ["a control character in a value that is read", '{"model":"a\u0000b"}', /`model` has a wrong escape/],
    ["a wrong escape in a key", '{"\\x":1}', /wrong escape/],
    [
      "broken UTF-8",
      Buffer.from([...Buffer.from('{"a":"'), 0xc3, 0x28, ...Buffer.from('"}')]),
      /not UTF-8 \(byte 6\)/,
    ],
    ["a byte order mark", "\ufeff{}", /object is expected.*byte 0/],
    ["a list", "[]", /object is expected/],
    ["a string", '"x"', /object is expected/],
    ["nothing", "", /object is expected/],
    ["white space", "  \n", /object is expected/],
    ["garbage behind", '{"a":1} x', /nothing may follow.*byte 8/],
    ["a second object", '{"a":1}{"model":"dear"}', /nothing may follow/],
    ["a NUL behind", '{"a":1}\u0000', /nothing may follow/],
    ["a comment", '{/*x*/"a":1}', /key in double quotes/],
    ["single quotes", "{'a':1}", /key in double quotes/],
    ["a bare key", "{a:1}", /key in double quotes/],
    ["a comma too many", '{"a":1,}', /key in double quotes/],
    ["a comma too many in a list", '{"a":[1,]}', /value is expected/],
    ["a comma too few", '{"a":1 "b":2}', /`,` or `}`/],
    ["a comma too few, nested", '{"a":[1 2]}', /`,` or `]`/],
    ["no colon", '{"a" 1}', /`:` is expected/],
    ["crossed brackets", '{"a":[1}', /`,` or `]`/],
    ["no end", '{"a":[1', /`,` or `]`/],
    ["no value", '{"a":', /ends too early/],
    ["a string without end", '{"a":"x\\"', /string has no end/],
    ["NaN", '{"a":NaN}', /value is expected/],
    ["a plus sign", '{"a":+1}', /value is expected/],
    ["a bare point", '{"a":.5}', /value is expected/],
    ["a point without digits", '{"a":1.}', /digit is expected/],
    ["hexadecimal", '{"a":0x10}', /`,` or `}`/],
    ["half a literal", '{"a":tru}', /value is expected/],
    ["a literal that goes on", '{"a":truex}', /`,` or `}`/],
    ["nesting without end", `{"a":${"[".repeat(600)}`, /deeper than 512/],
    ["other white space", '{\u00a0"a":1}', /key in double quotes/],
  ];
  for (const [name, body, message] of cases) {
    it(name, () => {
      expect(() => peekResponses(Buffer.from(body))).toThrow(
        expect.objectContaining({ code: "invalid_request", message: expect.stringMatching(message) }),
      );
    });
  }
});

describe("changes members in place", () => {
  const body = bytes('{ "input": "a\\u00e9é",  "model" :"x", "stream":true}');
  const edit = (values: Record<string, string | number | boolean>): string =>
    Buffer.from(withMembers(body, peekResponses(body).members, values)).toString();

  it("replaces, and touches no other byte", () => {
    expect(edit({ model: 'y"' })).toBe('{ "input": "a\\u00e9é",  "model" :"y\\"", "stream":true}');
  });
  it("adds in front, and replaces several", () => {
    expect(edit({ max_output_tokens: 5, stream: false, model: "y", store: false })).toBe(
      '{"max_output_tokens":5,"store":false, "input": "a\\u00e9é",  "model" :"y", "stream":false}',
    );
  });
  it("adds to an empty object", () => {
    const empty = bytes("{}");
    expect(Buffer.from(withMembers(empty, peekResponses(empty).members, { a: 1, b: 2 })).toString()).toBe(
      '{"a":1,"b":2}',
    );
  });
  it("gives what it was asked for, read again", () => {
    const again = peek(edit({ model: "z", max_output_tokens: 16 }));
    expect([again.model, again.maxOutputTokens, again.stream]).toEqual(["z", 16, true]);
  });
});

/**
 * V8 13.6 (Node 24) reads `{"k1":1,"k2\"":1}` as having the key `k2\` once it has parsed `{"k1":1,"k2\\":1}`: escaped
 * keys of equal written length are taken for each other. The keys here differ in length, so that JSON.parse can judge.
 */
const KEYS = ["type", "input_image", "{", "é😀", '"', "x\\y", '","model":"x'];

describe("takes linear time over what is made to be slow", () => {
  const mega = 1 << 21;
  const cases: [string, string][] = [
    ["escaped quotes", `{"a":"${'\\"'.repeat(mega / 2)}"}`],
    ["backslashes", `{"a":"${"\\\\".repeat(mega / 2)}"}`],
    ["backslashes before each quote", `{"a":[${`"${"\\\\".repeat(500)}\\"",`.repeat(mega / 1000)}0]}`],
    ["small strings", `{"a":[${'"",'.repeat(mega / 3)}0]}`],
    ["white space", `{${" ".repeat(mega)}"a":1}`],
    ["many keys", `{"a":{${Array.from({ length: 50_000 }, (_, i) => `"k${i}":0`).join(",")}}}`],
    ["one long key", `{"${"k".repeat(mega)}":1}`],
    ["a long number", `{"a":${"1".repeat(mega)}}`],
    ["flat nesting", `{"a":[${"[],".repeat(mega / 3)}0]}`],
    ["element types", `{"input":[${'{"type":"é"},'.repeat(mega / 12)}0]}`],
    ["long types", `{"input":[${`{"type":"${"\\u0061".repeat(13)}"},`.repeat(20_000)}0]}`],
  ];
  for (const [name, body] of cases) it(name, () => expect(peek(body).model).toBeUndefined());
});

/** Any JSON, with the texts that trip scanners. */
function randomValue(random: Random, depth: number): unknown {
  const strings = [
    '"',
    "\\",
    '\\"',
    "a".repeat(200),
    "input_image",
    "type",
    "{",
    "}",
    "]",
    ",",
    ":",
    "é😀",
    "\n\t",
    "\u0000",
    '","model":"x',
    '\\\\"'.repeat(30),
  ];
  switch (random.int(depth > 4 ? 5 : 8)) {
    case 0:
      return Array.from({ length: random.int(4) }, () => random.pick(strings)).join("");
    case 1:
      return random.next() * 10 ** random.int(30) * (random.int(2) === 0 ? 1 : -1);
    case 2:
      return random.int(1000);
    case 3:
      return random.int(2) === 0;
    case 4:
      return null;
    case 5:
      return Array.from({ length: random.int(5) }, () => randomValue(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.int(5) }, () => [random.pick(KEYS), randomValue(random, depth + 1)]),
      );
  }
}

function randomBody(random: Random): string {
  const entries: [string, unknown][] = [];
  if (random.int(2)) entries.push(["model", random.pick(["openai.gpt-5.5", 'a"b', "\\", ""])]);
  if (random.int(2)) entries.push(["stream", random.int(2) === 0]);
  if (random.int(2)) entries.push(["max_output_tokens", random.int(100000)]);
  if (random.int(2))
    entries.push(["input", random.pick(["x", [randomValue(random, 1)], [{ type: "input_image" }]])]);
  for (let i = random.int(6); i > 0; i--)
    entries.push([`k${i}${random.pick(["", '"', "x\\y", "é"])}`, randomValue(random, 0)]);
  entries.sort(() => random.next() - 0.5);
  return JSON.stringify(Object.fromEntries(entries), null, random.pick([undefined, 1, "\t"]));
}

describe("agrees with JSON.parse", () => {
  it("on 2,000 random bodies", () => {
    const random = seededRandom(7);
    for (let i = 0; i < 2000; i++) {
      const text = randomBody(random);
      const parsed = JSON.parse(text) as Record<string, unknown>;
      const result = peek(text);
      expect(result.model).toBe(parsed["model"]);
      expect(result.stream).toBe(parsed["stream"] ?? false);
      expect(result.maxOutputTokens).toBe(parsed["max_output_tokens"]);
      expect([...result.members.keys()]).toEqual(Object.keys(parsed));
      for (const [name, { start, end }] of result.members) {
        expect(JSON.parse(bytes(text).subarray(start, end).toString())).toEqual(parsed[name]);
      }
    }
  });

  it("on 4,000 broken bodies: it never takes a structure that JSON.parse refuses, and never reads another value", () => {
    const random = seededRandom(11);
    const noise = ['"', "\\", "{", "}", "[", "]", ",", ":", "0", "-", "e", " ", "\n", "x", '"model":"dear",'];
    for (let i = 0; i < 4000; i++) {
      const text = randomBody(random);
      const at = random.int(text.length + 1);
      const broken =
        text.slice(0, at) + (random.int(3) === 0 ? "" : random.pick(noise)) + text.slice(at + random.int(3));
      const result = outcome(() => peek(broken));
      const parsed = outcome(() => JSON.parse(broken) as Record<string, unknown>);
      if (result === undefined) continue;
      if (parsed === undefined) {
        // Only what stands inside a string that nobody reads may be wrong.
        expect(outcome(() => JSON.parse(withoutStrings(broken)))).toBeDefined();
      } else {
        expect(result.model).toBe(parsed["model"] ?? undefined);
        expect(result.stream).toBe(parsed["stream"] ?? false);
        expect(result.maxOutputTokens).toBe(parsed["max_output_tokens"] ?? undefined);
      }
    }
  });
});

function outcome<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The same structure, with distinct empty-handed strings. */
function withoutStrings(text: string): string {
  let n = 0;
  return text.replace(/"(?:[^"\\]|\\[\s\S])*"/g, () => `"${n++}"`);
}
