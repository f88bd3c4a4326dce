/** The stream-fault table: what goes wrong, and what becomes of the call. One row each, over real sockets. */

import { type ErrorCode, isToolCall, type ModelEvent } from "@moho/protocol";
import {
  calls,
  type Fault,
  openAiError,
  REFUSALS,
  type Script,
  says,
  type Turn,
  thinks,
} from "@moho/testkit";
import { afterEach, expect, test } from "vitest";
import { type Bench, type BenchOptions, bench, itemsDone, play, USER } from "./agent-side.ts";

/** `says` is nine events: the delta is the fifth, the item is done with the eighth. `calls` is eight, done with the seventh. */
const HELLO: Turn = { items: [says("hello")] };
const CALL: Turn = { items: [calls("exec_command", { cmd: "rm -rf build" }, "call_a")] };
const faulty = (turn: Turn, ...faults: Fault[]): Turn => ({ ...turn, faults });
const always =
  (turn: Turn): Script =>
  () =>
    turn;

interface Row {
  fault: string;
  script: Script;
  options?: BenchOptions;
  /** The last event; for `failed` the code. */
  ends: "completed" | ErrorCode;
  requests: number;
  /** Types of the items handed over whole. */
  done?: string[];
  waits?: number[];
  warning?: string;
  message?: RegExp;
}

const IDLE = { connect: 2_000, firstByte: 2_000, idle: 120 };

const TABLE: Row[] = [
  { fault: "none", script: [HELLO], ends: "completed", requests: 1, done: ["message"], waits: [] },
  {
    fault: "dropped in the middle of a message",
    script: [faulty(HELLO, { kind: "drop", after: 5 }), HELLO],
    ends: "completed",
    requests: 2,
    done: ["message"],
    waits: [125],
  },
  {
    fault: "dropped in the middle of an event's bytes",
    script: [faulty(HELLO, { kind: "drop", afterBytes: 2_000 }), HELLO],
    ends: "completed",
    requests: 2,
    done: ["message"],
  },
  {
    fault: "dropped for ever",
    script: always(faulty(HELLO, { kind: "drop", after: 5 })),
    ends: "stream_interrupted",
    requests: 6,
    done: [],
    waits: [125, 250, 500, 1000, 2000],
  },
  {
    fault: "dropped after a whole tool call: it fails, for the agent to ask again without running the call",
    script: [faulty(CALL, { kind: "drop", after: 7 })],
    ends: "stream_interrupted",
    requests: 1,
    done: ["function_call"],
  },
  {
    fault: "dropped in the second of two tool calls: the cut one never comes",
    script: [
      faulty(
        { items: [...CALL.items!, calls("exec_command", { cmd: "rm -rf /" }, "call_b")] },
        { kind: "drop", after: 9 },
      ),
    ],
    ends: "stream_interrupted",
    requests: 1,
    done: ["function_call"],
  },
  {
    fault: "clean end without completed in the middle of a tool call",
    script: [faulty(CALL, { kind: "end", after: 4 }), HELLO],
    ends: "completed",
    requests: 2,
    done: ["message"],
  },
  {
    fault: "clean end in the middle of a tool call, for ever",
    script: always(faulty(CALL, { kind: "end", after: 4 })),
    ends: "stream_interrupted",
    requests: 6,
    done: [],
    message: /in the middle of the call of `exec_command`/,
  },
  {
    fault: "429 without retry-after, twice",
    script: [{ http: REFUSALS.throttled }, { http: REFUSALS.throttled }, HELLO],
    ends: "completed",
    requests: 3,
    done: ["message"],
    waits: [1000, 2000],
  },
  {
    fault: "429 without retry-after for ever",
    script: always({ http: REFUSALS.throttled }),
    ends: "throttled",
    requests: 5,
    waits: [1000, 2000, 4000, 8000],
    message: /Too many tokens/,
  },
  {
    fault: "429 with retry-after",
    script: [{ http: REFUSALS.throttledFor(7) }, HELLO],
    ends: "completed",
    requests: 2,
    waits: [7000],
  },
  {
    fault: "429 with retry-after-ms",
    script: [
      { http: openAiError(429, "rate_limit_exceeded", "Slow down.", { "retry-after-ms": "1234" }) },
      HELLO,
    ],
    ends: "completed",
    requests: 2,
    waits: [1234],
  },
  {
    fault: "429 that asks for an hour",
    script: always({ http: REFUSALS.throttledFor(3600) }),
    ends: "throttled",
    requests: 1,
    waits: [],
  },
  {
    fault: "429 of a quota of zero",
    script: always({ http: openAiError(429, "insufficient_quota", "Your quota is 0.") }),
    ends: "quota_zero",
    requests: 1,
  },
  {
    fault: "500 once",
    script: [{ http: REFUSALS.serverError }, HELLO],
    ends: "completed",
    requests: 2,
    waits: [125],
  },
  {
    fault: "500 for ever",
    script: always({ http: REFUSALS.serverError }),
    ends: "upstream_error",
    requests: 5,
    waits: [125, 250, 500, 1000],
  },
  {
    fault: "503",
    script: [{ http: REFUSALS.overloaded }, HELLO],
    ends: "completed",
    requests: 2,
    waits: [1000],
  },
  {
    fault: "malformed event",
    script: [
      faulty(HELLO, {
        kind: "insert",
        after: 3,
        raw: 'event: response.output_text.delta\ndata: {"type":\n\n',
      }),
      HELLO,
    ],
    ends: "completed",
    requests: 2,
    done: ["message"],
  },
  {
    fault: "unknown event and comment",
    script: [
      faulty(HELLO, {
        kind: "insert",
        after: 3,
        raw: ': keep-alive\n\nevent: response.future\ndata: {"type":"response.future","x":1}\n\n',
      }),
    ],
    ends: "completed",
    requests: 1,
    done: ["message"],
  },
  {
    fault: "long silence within the idle clock",
    script: [faulty(HELLO, { kind: "pause", after: 5, ms: 300 })],
    options: { clocks: { ...IDLE, idle: 5_000 } },
    ends: "completed",
    requests: 1,
  },
  {
    fault: "endless silence in the answer, once",
    script: [faulty(HELLO, { kind: "silence", after: 5 }), HELLO],
    options: { clocks: IDLE },
    ends: "completed",
    requests: 2,
    done: ["message"],
  },
  {
    fault: "endless silence in the answer, for ever",
    script: always(faulty(HELLO, { kind: "silence", after: 5 })),
    options: { clocks: IDLE, retries: { stream: 1 } },
    ends: "upstream_timeout",
    requests: 2,
    message: /within 0\.12 s \(the idle clock\)/,
  },
  {
    fault: "no answer at all",
    script: always(faulty(HELLO, { kind: "no-answer" })),
    options: { clocks: { ...IDLE, firstByte: 80 }, retries: { request: 1 } },
    ends: "upstream_timeout",
    requests: 2,
    message: /the first-byte clock/,
  },
  {
    fault: "response.failed before any output",
    script: [faulty(HELLO, { kind: "fail", after: 2, code: "server_error", message: "Sorry." }), HELLO],
    ends: "completed",
    requests: 2,
    done: ["message"],
  },
  {
    fault: "response.failed that names a wait",
    script: [
      faulty(HELLO, {
        kind: "fail",
        after: 2,
        code: "rate_limit_exceeded",
        message: "Rate limit reached. Please try again in 3s.",
      }),
      HELLO,
    ],
    ends: "completed",
    requests: 2,
    waits: [3000],
  },
  {
    fault: "response.failed that cannot heal",
    script: always(
      faulty(HELLO, {
        kind: "fail",
        after: 2,
        code: "context_length_exceeded",
        message: "Your input exceeds the context window.",
      }),
    ),
    ends: "context_overflow",
    requests: 1,
  },
  {
    fault: "response.failed after complete output (STREAM-1): kept, not replayed",
    script: [faulty(CALL, { kind: "fail", after: 7, code: "server_error", message: "Sorry." })],
    ends: "completed",
    requests: 1,
    done: ["function_call"],
    warning: "complete when the server reported a failure",
  },
  {
    fault: "response.failed after a whole message",
    script: [faulty(HELLO, { kind: "fail", after: 8, code: "server_error", message: "Sorry." })],
    ends: "completed",
    requests: 1,
    done: ["message"],
    warning: "complete when the server reported a failure",
  },
  {
    fault: "incomplete: the output limit",
    script: [{ ...HELLO, end: { status: "incomplete", reason: "max_output_tokens" } }],
    ends: "output_limit",
    requests: 1,
  },
  {
    fault: "400",
    script: always({ http: REFUSALS.badRequest }),
    ends: "upstream_refused",
    requests: 1,
    waits: [],
    message: /Invalid type for 'input'/,
  },
  {
    fault: "400 overflow",
    script: always({ http: REFUSALS.overflow }),
    ends: "context_overflow",
    requests: 1,
  },
  {
    fault: "401",
    script: always({ http: REFUSALS.badKey }),
    ends: "invalid_api_key",
    requests: 1,
    message: /The credentials in use came from the test/,
  },
  {
    fault: "403 denied",
    script: always({ http: REFUSALS.denied }),
    ends: "access_denied",
    requests: 1,
    message: /bedrock-mantle:CreateInference/,
  },
  {
    fault: "200 with a web page",
    script: always({
      http: { status: 200, headers: { "content-type": "text/html" }, body: "<html>Sign in</html>" },
    }),
    ends: "upstream_refused",
    requests: 1,
    message: /answered 200 with text\/html/,
  },
  {
    fault: "200 with a JSON body",
    script: always({ http: { status: 200, body: { object: "response" } } }),
    ends: "upstream_refused",
    requests: 1,
  },
  {
    fault: "expired credentials without anything to renew",
    script: always({ http: REFUSALS.expired }),
    ends: "expired_credentials",
    requests: 1,
  },
];

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

test.each(TABLE)("$fault", async (row) => {
  open = await bench(row.script, row.options);
  const events = await play(open.client);
  const last = events.at(-1)!;
  expect(last.type === "failed" ? last.error.code : last.type).toBe(row.ends);
  expect(open.model.requests).toHaveLength(row.requests);
  if (row.done) expect(itemsDone(events).map(({ item }) => item.type)).toEqual(row.done);
  if (row.waits) expect(open.waits).toEqual(row.waits);
  if (row.message) expect(last.type === "failed" && last.error.message).toMatch(row.message);
  const warnings = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
  expect(warnings.join("\n")).toContain(row.warning ?? "");
  if (!row.warning) expect(warnings).toEqual([]);
  expect(events.filter(({ type }) => type === "request.sent")).toHaveLength(row.requests);
  expect(events.filter(({ type }) => type === "request.retrying")).toHaveLength(row.requests - 1);
});

test("an unknown model is warned about at once, and refused with the names near it", async () => {
  const gone = openAiError(404, "model_not_found", "The model 'openai.gpt-5.6-soll' does not exist.");
  open = await bench(always({ http: gone }), { model: "gpt-5.6-soll" });
  const events = await play(open.client);
  expect(events[0]).toMatchObject({
    type: "warning",
    message: expect.stringContaining("Near it: gpt-5.6-sol"),
  });
  expect(events.at(-1)).toMatchObject({
    error: { code: "unknown_model", message: expect.stringContaining("Near it: gpt-5.6-sol") },
  });
  expect((await play(open.client))[0]!.type).toBe("request.sent");
});

test("a drop after whole items resumes from the last of them, and none is handed over twice", async () => {
  const thought = thinks("I should look.", "opaque==");
  open = await bench([
    faulty({ items: [thought, says("I will now")] }, { kind: "drop", after: 10 }),
    faulty({ items: [says("I will now run it.")] }, { kind: "drop", after: 9 }),
    CALL,
  ]);
  const events = await play(open.client);
  expect(itemsDone(events).map(({ index, item }) => [index, item.type])).toEqual([
    [0, "reasoning"],
    [1, "message"],
    [2, "function_call"],
  ]);
  const inputs = open.model.requests.map(({ json }) => (json as { input: { type: string }[] }).input);
  expect(inputs.map((input) => input.map(({ type }) => type))).toEqual([
    ["message"],
    ["message", "reasoning"],
    ["message", "reasoning", "message"],
  ]);
  expect(inputs[1]![1]).toMatchObject({ encrypted_content: "opaque==" });
  expect(events.at(-1)!.type).toBe("completed");
});

test("the request of a retry begins with the bytes of the first", async () => {
  open = await bench([faulty({ items: [thinks("t", "e"), says("x")] }, { kind: "drop", after: 10 }), HELLO]);
  await play(open.client);
  const [first, second] = open.model.requests.map(({ body }) => body.toString("utf8"));
  expect(second!.startsWith(first!.slice(0, -2))).toBe(true);
});

test("a refused connection is tried again and then told", async () => {
  open = await bench([]);
  await open.model.close();
  const events = await play(open.client);
  expect(events.at(-1)).toMatchObject({ type: "failed", error: { code: "upstream_unreachable" } });
  expect(open.waits).toEqual([125, 250, 500, 1000]);
});

test("an abort ends the stream as interrupted and closes the connection, in the answer and between tries", async () => {
  open = await bench(always(faulty(HELLO, { kind: "silence", after: 5 })));
  const inAnswer = new AbortController();
  const seen: ModelEvent[] = [];
  for await (const event of open.client.stream({ model: "m", input: [USER] }, { signal: inAnswer.signal })) {
    seen.push(event);
    if (event.type === "text.delta") inAnswer.abort();
  }
  expect(seen.at(-1)).toMatchObject({ type: "failed", error: { code: "interrupted" } });
  await expect.poll(() => open!.model.requests[0]!.cutAt).toBeDefined();
  const before = await play(open.client, [USER], AbortSignal.abort());
  expect(before.at(-1)).toMatchObject({ type: "failed", error: { code: "interrupted" } });
  expect(open.model.requests).toHaveLength(1);
});

test("a reader that leaves closes the connection", async () => {
  open = await bench([faulty(HELLO, { kind: "silence", after: 5 })]);
  for await (const event of open.client.stream(
    { model: "m", input: [USER] },
    { signal: new AbortController().signal },
  ))
    if (event.type === "text.delta") break;
  await expect.poll(() => open!.model.requests[0]!.cutAt).toBeDefined();
});

test("a completed call leaves its connection for the next", async () => {
  open = await bench(always(HELLO));
  for (let i = 0; i < 3; i++) {
    await play(open.client);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(open.model.requests.map(({ cutAt }) => cutAt)).toEqual([undefined, undefined, undefined]);
});

test("no tool call is ever handed over from an answer cut at any byte before the call was whole", async () => {
  const whole = await bench([CALL]);
  let length = 0;
  await play(whole.client);
  await whole.close();
  for (let at = 100; ; at += 97) {
    open = await bench([faulty(CALL, { kind: "drop", afterBytes: at }), HELLO], { retries: { stream: 0 } });
    const events = await play(open.client);
    await open.close();
    const done = itemsDone(events).filter(({ item }) => isToolCall(item));
    for (const { item } of done) expect(item).toMatchObject({ arguments: '{"cmd":"rm -rf build"}' });
    length = at;
    if (done.length > 0) break;
  }
  expect(length).toBeGreaterThan(1000);
});
