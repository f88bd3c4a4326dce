/** The scripted model through the real client: it plays its turns by what it is told, and by nothing else. */

import { type Item, isToolCall } from "@moho/protocol";
import { expect, test } from "vitest";
import {
  createModelClient,
  createScripted,
  parseScript,
  resolveModel,
  type ScriptTurn,
} from "../src/index.ts";
import { itemsDone, play, USER } from "./agent-side.ts";

const SCRIPT: ScriptTurn[] = [
  {
    items: [
      { type: "reasoning", text: "Look first." },
      { type: "function_call", name: "exec_command", arguments: { cmd: "ls" } },
      { type: "function_call", name: "exec_command", arguments: '{"cmd":"cat a"}' },
    ],
  },
  { items: [{ type: "custom_tool_call", name: "apply_patch", input: "*** Begin Patch\n*** End Patch" }] },
  { items: [{ type: "message", text: "Done. ✓" }], usage: { input: 7, output: 3 } },
  { items: [{ type: "message", text: "Anything else?" }], delayMs: 5 },
];

function client(script: readonly ScriptTurn[]) {
  const model = resolveModel({
    model: "gpt-oss-20b",
    provider: "amazon-bedrock",
    region: "us-east-1",
    now: 0,
  });
  return createModelClient({ upstream: createScripted({ name: "scripted", script, now: Date.now }), model });
}

/** Plays to the end of a turn, answering every tool call. */
async function drive(script: readonly ScriptTurn[], thread: Item[]): Promise<void> {
  for (;;) {
    // A new client each time: nothing may be remembered.
    const events = await play(client(script), thread);
    if (events.at(-1)!.type === "failed") throw events.at(-1);
    const items = itemsDone(events).map(({ item }) => item);
    thread.push(...items);
    const calls = items.filter(isToolCall);
    if (calls.length === 0) return;
    for (const call of calls)
      thread.push(
        call.type === "function_call"
          ? { type: "function_call_output", call_id: call.call_id, output: "ok" }
          : { type: "custom_tool_call_output", call_id: call.call_id, output: "ok" },
      );
  }
}

test("turns follow the conversation: tool outputs, then messages, then the next prompt", async () => {
  const thread = [USER];
  await drive(SCRIPT, thread);
  const kinds = thread.map(({ type }) => type);
  expect(kinds).toEqual([
    "message",
    "reasoning",
    "function_call",
    "function_call",
    "function_call_output",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "message",
  ]);
  expect(thread[2]).toMatchObject({ arguments: '{"cmd":"ls"}', call_id: "call_1_2" });
  thread.push(USER);
  await drive(SCRIPT, thread);
  expect(JSON.stringify(thread.at(-1))).toContain("Anything else?");
  thread.push(USER);
  await expect(drive(SCRIPT, thread)).rejects.toMatchObject({
    error: { code: "upstream_refused", message: expect.stringContaining("all of them have been played") },
  });
});

test("the same request gets the same answer; usage is the script's or counted", async () => {
  const [one, two] = await Promise.all([play(client(SCRIPT)), play(client(SCRIPT))]);
  expect(itemsDone(one!)).toEqual(itemsDone(two!));
  const last = one!.at(-1)!;
  expect(last.type === "completed" && last.usage!.input).toBeGreaterThan(0);
  const message: ScriptTurn[] = [SCRIPT[2]!];
  expect((await play(client(message))).at(-1)).toMatchObject({ usage: { input: 7, output: 3 } });
});

test("without streaming the answer is one body; other routes are 404; an abort ends a delay", async () => {
  const upstream = createScripted({
    name: "s",
    script: [{ items: [{ type: "message", text: "hi" }], delayMs: 60_000 }],
    now: () => 0,
  });
  const call = {
    dialect: "responses" as const,
    model: "m",
    path: "/responses",
    method: "POST",
    headers: {},
    body: Buffer.from('{"input":"x"}'),
    stream: false,
    signal: new AbortController().signal,
  };
  expect((await upstream.send({ ...call, method: "GET", path: "/models" })).status).toBe(404);
  expect((await upstream.send({ ...call, body: Buffer.from("{") })).status).toBe(400);
  const stop = new AbortController();
  const waiting = upstream.send({ ...call, signal: stop.signal });
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ code: "interrupted" });
  const quick = createScripted({
    name: "s",
    script: [{ items: [{ type: "message", text: "hi" }] }],
    now: () => 0,
  });
  const answer = await quick.send(call);
  let text = "";
  for await (const chunk of answer.body) text += chunk;
  expect(JSON.parse(text)).toMatchObject({ object: "response", status: "completed", model: "m" });
});

test.each([
  ["{", "is not JSON"],
  ["{}", "no list of `turns`"],
  ['[{"items":[{"type":"shout","text":"x"}]}]', "Turn 1"],
  ['{"turns":[{"items":[]},{"items":[{"type":"function_call","name":"x"}]}]}', "Turn 2"],
])("the script %s is refused", (text, words) => {
  expect(() => parseScript(text)).toThrow(words);
});

test("a script file is read as it is", () => {
  expect(parseScript(JSON.stringify({ turns: SCRIPT }))).toEqual(SCRIPT);
  expect(parseScript(JSON.stringify(SCRIPT))).toEqual(SCRIPT);
});
