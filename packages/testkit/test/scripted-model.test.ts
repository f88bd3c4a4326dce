import { get, request } from "node:http";
import {
  calls,
  type Fault,
  REFUSALS,
  refusingUrl,
  type Script,
  type ScriptedModel,
  says,
  startScriptedModel,
  thinks,
} from "@moho/testkit";
import { responsesEvents } from "@moho/wire";
import { afterEach, describe, expect, it } from "vitest";
import { streamSteps } from "../src/model/steps.ts";

let model: ScriptedModel;
afterEach(() => model?.close());

interface Outcome {
  status: number;
  headers: Record<string, unknown>;
  text: string;
  /** The connection broke before the answer had ended. */
  broken: boolean;
}

async function start(script: Script): Promise<void> {
  model = await startScriptedModel(script, { models: ["openai.gpt-5.5"] });
}

function post(body: unknown): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${model.url}/openai/v1/responses`, { method: "POST" }, (answer) => {
      const chunks: Buffer[] = [];
      const done = (broken: boolean) => () =>
        resolve({
          status: answer.statusCode!,
          headers: answer.headers,
          text: Buffer.concat(chunks).toString(),
          broken,
        });
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", done(false));
      answer.on("error", done(true));
    });
    outgoing.on("error", reject);
    outgoing.end(JSON.stringify(body));
  });
}

const STREAM = { model: "openai.gpt-5.5", stream: true, input: "hi" };
const TURN = {
  items: [thinks("hm"), says("Grüße"), calls("exec_command", { cmd: "ls" }, "call_1")],
  chunk: 4,
};
const ANSWER = { id: "resp_1", model: "m", createdAt: 0, items: TURN.items, usage: undefined };
const names = (text: string): string[] =>
  [...text.matchAll(/^event: response\.(\S+)$/gm)].map((match) => match[1]!);
const withFaults = (...faults: Fault[]) => [{ ...TURN, faults }];

it("plays turns in order, records requests byte for byte and says when the script is over", async () => {
  await start([TURN, (asked) => ({ items: [says(String((asked.json as { input: string }).input))] })]);
  expect(names((await post(STREAM)).text).at(-1)).toBe("completed");
  expect((await post({ input: "echo" })).text).toContain('"text":"echo"');
  expect(await post(STREAM)).toMatchObject({
    status: 400,
    text: expect.stringContaining("script has 2 turns"),
  });
  expect(model.requests.map((asked) => asked.body.toString())).toEqual([
    JSON.stringify(STREAM),
    '{"input":"echo"}',
    JSON.stringify(STREAM),
  ]);
  expect(model.requests[0]).toMatchObject({ method: "POST", path: "/openai/v1/responses", cutAt: undefined });
});

it("lists models, and has no other routes", async () => {
  await start([]);
  const read = (path: string): Promise<[number, string]> =>
    new Promise((resolve) => {
      get(model.url + path, (answer) => {
        let text = "";
        answer.on("data", (chunk) => (text += chunk));
        answer.on("end", () => resolve([answer.statusCode!, text]));
      });
    });
  expect(await read("/v1/models")).toEqual([200, expect.stringContaining('"id":"openai.gpt-5.5"')]);
  expect((await read("/v1/other"))[0]).toBe(404);
});

describe("faults", () => {
  const events = [...responsesEvents(ANSWER, TURN.chunk)].map((event) =>
    event.type.slice("response.".length),
  );
  const whole = events.length;
  const inCall = events.indexOf("function_call_arguments.delta") + 1;
  const table: [string, Fault[], (outcome: Outcome) => void][] = [
    ["none", [], ({ text, broken }) => expect([names(text).length, broken]).toEqual([whole, false])],
    [
      "drop after bytes",
      [{ kind: "drop", afterBytes: 2500 }],
      ({ text, broken }) => expect([Buffer.byteLength(text), broken]).toEqual([2500, true]),
    ],
    [
      "drop after events",
      [{ kind: "drop", after: 5 }],
      ({ text, broken }) => expect([names(text).length, broken]).toEqual([5, true]),
    ],
    [
      "clean end in a tool call",
      [{ kind: "end", after: inCall }],
      ({ text, broken }) => {
        expect(names(text).at(-1)).toBe("function_call_arguments.delta");
        expect(broken).toBe(false);
      },
    ],
    [
      "malformed event",
      [{ kind: "insert", after: 3, raw: "data: {oops\n\n" }],
      ({ text }) => expect(text).toContain("{oops"),
    ],
    [
      "keep-alive comments",
      [
        { kind: "insert", after: 0, raw: ": ping\n\n" },
        { kind: "pause", after: 1, ms: 5 },
      ],
      ({ text }) => expect(text.startsWith(": ping")).toBe(true),
    ],
    [
      "failed before the end",
      [{ kind: "fail", after: 4, code: "server_error", message: "sorry" }],
      ({ text }) => {
        expect(names(text)).toHaveLength(5);
        expect(text).toContain('"sequence_number":4,"response"');
        expect(names(text).at(-1)).toBe("failed");
      },
    ],
    [
      "failed after whole output",
      [{ kind: "fail", after: whole - 1, code: "server_error", message: "sorry" }],
      ({ text }) => expect(names(text).slice(-2)).toEqual(["output_item.done", "failed"]),
    ],
  ];
  for (const [name, faults, check] of table) {
    it(name, async () => {
      await start(withFaults(...faults));
      check(await post(STREAM));
      expect(model.requests[0]!.cutAt).toBeUndefined();
    });
  }

  it("a body that is not streamed breaks after bytes as well", async () => {
    await start(withFaults({ kind: "drop", afterBytes: 100 }));
    expect(await post({ input: "hi" })).toMatchObject({
      broken: true,
      text: expect.stringMatching(/^.{100}$/),
    });
  });

  it("refusals", async () => {
    await start([
      { http: REFUSALS.throttled },
      { http: REFUSALS.throttledFor(3) },
      { http: REFUSALS.expired },
      { http: { status: 400, body: "as it is" } },
    ]);
    expect(await post(STREAM)).toMatchObject({
      status: 429,
      text: expect.stringContaining("Too many tokens"),
    });
    expect(await post(STREAM)).toMatchObject({ status: 429, headers: { "retry-after": "3" } });
    expect(await post(STREAM)).toMatchObject({
      status: 403,
      headers: { "x-amzn-errortype": "ExpiredTokenException" },
    });
    expect(await post(STREAM)).toMatchObject({ status: 400, text: "as it is" });
  });

  it("connection refused", async () => {
    await expect(fetch(await refusingUrl())).rejects.toThrow();
    model = undefined as unknown as ScriptedModel;
  });

  for (const fault of [{ kind: "silence", after: 2 }, { kind: "no-answer" }] as const) {
    it(`${fault.kind} lasts until the client goes, which is recorded`, async () => {
      await start(withFaults(fault));
      const asked = request(`${model.url}/responses`, { method: "POST" });
      asked.on("error", () => {});
      asked.end(JSON.stringify(STREAM));
      if (fault.kind === "silence") {
        await new Promise<void>((resolve) =>
          asked.on("response", (answer) => answer.once("data", () => resolve())),
        );
      } else while (model.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      asked.destroy();
      while (model.requests[0]!.cutAt === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    });
  }

  it("paces its events", () => {
    const steps = streamSteps({ ...TURN, pace: { events: 10, everyMs: 20 } }, ANSWER);
    const waits = steps.flatMap((step, n) => (step.do === "wait" ? [[n, step.ms]] : []));
    expect(waits).toEqual([
      [10, 20],
      [21, 20],
    ]);
    expect(steps.filter((step) => step.do === "send")).toHaveLength(whole);
  });
});
