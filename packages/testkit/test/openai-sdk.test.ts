import type { Item, Usage } from "@moho/protocol";
import { MohoError } from "@moho/protocol";
import {
  calls,
  callsFreeform,
  REFUSALS,
  type Script,
  type ScriptedModel,
  says,
  startScriptedModel,
  thinks,
} from "@moho/testkit";
import { renderError } from "@moho/wire";
import OpenAI from "openai";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterEach, describe, expect, it } from "vitest";

let model: ScriptedModel;
afterEach(() => model.close());

async function client(script: Script): Promise<OpenAI> {
  model = await startScriptedModel(script);
  return new OpenAI({ baseURL: `${model.url}/openai/v1`, apiKey: "x", maxRetries: 0 });
}

const USAGE: Usage = { input: 90, cacheRead: 10, cacheWrite: 5, output: 20, reasoning: 7 };
const ITEMS: readonly Item[] = [
  thinks("First I look.", "gAAAA"),
  says("Grüße 😀, hier ist es."),
  calls("exec_command", { cmd: "ls", n: [1, { a: "ü" }] }, "call_1"),
  callsFreeform("apply_patch", "*** Begin Patch\n*** End Patch", "call_2"),
  { type: "message", role: "assistant", content: [{ type: "refusal", refusal: "No." }] },
];

function expectWhole(response: OpenAI.Responses.Response): void {
  expect(response).toMatchObject({ object: "response", status: "completed", model: "m", error: null });
  expect(response.output_text).toBe("Grüße 😀, hier ist es.");
  expect(response.output.map((item) => item.type)).toEqual([
    "reasoning",
    "message",
    "function_call",
    "custom_tool_call",
    "message",
  ]);
  expect(response.output[2]).toMatchObject({
    name: "exec_command",
    call_id: "call_1",
    arguments: '{"cmd":"ls","n":[1,{"a":"ü"}]}',
  });
  expect(new Set(response.output.map((item) => item.id)).size).toBe(5);
  expect(response.usage).toEqual({
    input_tokens: 105,
    input_tokens_details: { cached_tokens: 10, cache_write_tokens: 5 },
    output_tokens: 27,
    output_tokens_details: { reasoning_tokens: 7 },
    total_tokens: 132,
  });
}

describe("the OpenAI SDK", () => {
  it("takes a whole answer", async () => {
    const openai = await client([{ items: ITEMS, usage: USAGE }]);
    expectWhole(await openai.responses.create({ model: "m", input: "hi" }));
  });

  it("builds the same answer out of the stream: its accumulator checks every event's place", async () => {
    const openai = await client([{ items: ITEMS, usage: USAGE, chunk: 5 }]);
    const stream = openai.responses.stream({ model: "m", input: "hi" });
    const events: ResponseStreamEvent[] = [];
    const deltas: string[] = [];
    stream.on("event", (event) => events.push(event));
    stream.on("response.output_text.delta", (event) => deltas.push(event.delta));
    expectWhole(await stream.finalResponse());
    expect(deltas.join("")).toBe("Grüße 😀, hier ist es.");
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, n) => n));
    const kinds = events.map((event) => event.type);
    expect(kinds.slice(0, 3)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
    ]);
    expect(kinds.at(-1)).toBe("response.completed");
    const deltaKinds = new Set(kinds.filter((kind) => kind.endsWith(".delta")));
    expect([...deltaKinds].sort()).toEqual([
      "response.custom_tool_call_input.delta",
      "response.function_call_arguments.delta",
      "response.output_text.delta",
      "response.reasoning_summary_text.delta",
      "response.refusal.delta",
    ]);
  });

  it("understands how an answer ends", async () => {
    const openai = await client([
      { items: [says("half")], end: { status: "incomplete", reason: "max_output_tokens" } },
      { end: { status: "failed", code: "server_error", message: "sorry" } },
    ]);
    expect(await openai.responses.create({ model: "m", input: "hi" })).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
    });
    expect(await openai.responses.create({ model: "m", input: "hi" })).toMatchObject({
      status: "failed",
      error: { code: "server_error", message: "sorry" },
    });
  });

  it("reads errors as Moho renders them", async () => {
    const error = new MohoError("budget_exceeded", "The budget of project/default is used up.", {
      requestId: "req_7",
    });
    const { status, headers, body } = renderError(error, "openai");
    const openai = (
      await client([{ http: { status, headers, body } }, { http: REFUSALS.denied }])
    ).withOptions({ maxRetries: 3 });
    const failed = await openai.responses.create({ model: "m", input: "hi" }).catch((reason) => reason);
    expect(failed).toMatchObject({ status: 402, code: "budget_exceeded", requestID: "req_7" });
    expect(failed.message).toContain("The budget of project/default is used up. Ask the budget's owner");
    expect(
      await openai.responses.create({ model: "m", input: "hi" }).catch((reason) => reason),
    ).toMatchObject({ status: 403, code: "access_denied" });
    expect(model.requests).toHaveLength(2);
  });

  it("does not retry what cannot succeed, though the status looks like it", async () => {
    const { status, headers, body } = renderError(new MohoError("quota_zero", "No quota."), "openai");
    const openai = (await client([{ http: { status, headers, body } }])).withOptions({ maxRetries: 3 });
    await expect(openai.responses.create({ model: "m", input: "hi" })).rejects.toMatchObject({ status: 429 });
    expect(model.requests).toHaveLength(1);
  });
});
