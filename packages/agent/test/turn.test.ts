/** Whole turns: what the user's program sees, what the model is asked, what the log keeps. */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContentPart, Item, ThreadEvent } from "@moho/protocol";
import { MohoError } from "@moho/protocol";
import type { Log } from "@moho/store";
import { expect, test } from "vitest";
import {
  call,
  completed,
  done,
  exec,
  fail,
  message,
  patch,
  reasoning,
  say,
  scriptedModel,
} from "./support/model.ts";
import { makeWorld, recordsOf, settle, type World } from "./support/world.ts";

const TEXT = (text: string): ContentPart[] => [{ type: "input_text", text }];
const ENVIRONMENT =
  "<environment>\nsandbox: none, full access\nshell: bash\ncwd: /repo\ndate: 2026-11-21\n</environment>";

test("reads, edits, runs and rests", async () => {
  const world = makeWorld();
  writeFileSync(join(world.root, "a.txt"), "one\n");
  const thread = await world.thread();
  const edit = "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+two\n*** End Patch";
  const answers: Item[][] = [
    [reasoning("look first"), exec("cat a.txt", {}, "c1")],
    [patch(edit, "c2")],
    [exec("cat a.txt; exit 3", {}, "c3")],
    [message("Done: a.txt:1 says two.")],
  ];
  const model = scriptedModel(answers.map((items) => say(...items)));

  const events = await world.run(model, thread, "Make it two.");

  const command = (id: string, name: string) => ({ id, type: "command_execution", command: name });
  const begun = { aggregated_output: "", exit_code: null, status: "in_progress" };
  const changes = [{ path: "a.txt", kind: "update" }];
  expect(events).toEqual([
    { type: "turn.started" },
    { type: "item.completed", item: { id: "item_0", type: "reasoning", text: "look first" } },
    { type: "item.started", item: { ...command("item_1", "cat a.txt"), ...begun } },
    {
      type: "item.completed",
      item: {
        ...command("item_1", "cat a.txt"),
        aggregated_output: "one\n",
        exit_code: 0,
        status: "completed",
      },
    },
    { type: "item.started", item: { id: "item_2", type: "file_change", changes, status: "in_progress" } },
    { type: "item.completed", item: { id: "item_2", type: "file_change", changes, status: "completed" } },
    { type: "item.started", item: { ...command("item_3", "cat a.txt; exit 3"), ...begun } },
    {
      type: "item.completed",
      item: {
        ...command("item_3", "cat a.txt; exit 3"),
        aggregated_output: "two\n",
        exit_code: 3,
        status: "failed",
      },
    },
    {
      type: "item.completed",
      item: { id: "item_4", type: "agent_message", text: "Done: a.txt:1 says two." },
    },
    {
      type: "turn.completed",
      usage: {
        input_tokens: 6000,
        cached_input_tokens: 2000,
        cache_write_input_tokens: 0,
        output_tokens: 480,
        reasoning_output_tokens: 80,
        cost_usd: 0.01005,
      },
    },
  ]);

  const ran = (code: number, output: string) =>
    `Wall time: 0.0 seconds\nProcess exited with code ${code}\nOriginal token count: 1\nOutput:\n${output}`;
  const items = [
    { type: "message", role: "user", content: TEXT(ENVIRONMENT) },
    { type: "message", role: "user", content: TEXT("Make it two.") },
    ...answers[0]!,
    { type: "function_call_output", call_id: "c1", output: ran(0, "one\n") },
    ...answers[1]!,
    { type: "custom_tool_call_output", call_id: "c2", output: "The patch was applied:\nM a.txt" },
    ...answers[2]!,
    { type: "function_call_output", call_id: "c3", output: ran(3, "two\n") },
    ...answers[3]!,
  ];
  expect(inputsOf(model.requests, world)).toEqual([2, 5, 7, 9].map((length) => items.slice(0, length)));

  const usage = { input: 4000, cacheRead: 2000, cacheWrite: 0, output: 400, reasoning: 80 };
  expect(settle(await recordsOf(world.log, thread), world)).toEqual([
    {
      type: "thread",
      id: thread.id,
      cwd: "/repo",
      model: "openai.gpt-6.1-sol",
      provider: "amazon-bedrock",
      created: "2026-11-21T12:00:00.000Z",
      version: 1,
    },
    { type: "turn", phase: "started", model: "openai.gpt-6.1-sol" },
    { type: "item", item: items[0], context: ["environment"] },
    ...items.slice(1).map((item) => ({ type: "item", item })),
    { type: "turn", phase: "completed", usage, cost: 10_050_000, measured: { tokens: 1620, items: 10 } },
  ]);
});

test("an item is in the log before its call acts, and its output before the next request", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const kinds = async () =>
    (await recordsOf(world.log, thread)).map((record) => (record["item"] as Item)?.type);
  const seen: unknown[] = [];
  const model = scriptedModel([
    say(exec("echo hi > made", {}, "c1")),
    async function* () {
      seen.push((await kinds()).slice(4));
      yield* [...done([message("ok")]), completed()];
    },
  ]);
  const start = world.environment.start.bind(world.environment);
  const environment = {
    ...world.environment,
    start: async (spec: Parameters<typeof start>[0]) => {
      seen.push((await kinds()).slice(4));
      return start(spec);
    },
  };
  await world.run(model, thread, "go", { deps: { environment } });
  expect(seen).toEqual([["function_call"], ["function_call", "function_call_output"]]);
});

test("the first request of a plain repository is small, and ordered from what never varies", async () => {
  const world = makeWorld();
  for (const patchTool of ["custom", "function"] as const) {
    const model = scriptedModel([say(message("hi"))], { patchTool });
    await world.run(model, await world.thread(), "hi");
    const request = JSON.parse(model.requests[0]!);
    expect(model.requests[0]!.length).toBeLessThanOrEqual(9000);
    expect(request.instructions.length).toBeLessThanOrEqual(3072);
    expect(Object.keys(request)).toEqual([
      "model",
      "instructions",
      "tools",
      "tool_choice",
      "parallel_tool_calls",
      "reasoning",
      "text",
      "include",
      "store",
      "stream",
      "prompt_cache_key",
      "input",
    ]);
    expect(request.tools.map((tool: { type: string; name: string }) => [tool.name, tool.type])).toEqual([
      ["apply_patch", patchTool],
      ["exec_command", "function"],
      ["update_plan", "function"],
      ["view_image", "function"],
      ["write_stdin", "function"],
    ]);
  }
});

test("a request stays as it was while its answer comes: a client may send it again", async () => {
  const world = makeWorld();
  const sent: string[] = [];
  const model = scriptedModel([
    function* (request) {
      sent.push(JSON.stringify(request));
      yield* done([message("one")]);
      sent.push(JSON.stringify(request));
      yield completed();
    },
  ]);
  await world.run(model, await world.thread());
  expect(sent[1]).toBe(sent[0]);
});

test("settings and the model's abilities shape the request", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const schema = { type: "object", properties: {} };
  const ask = async (info: object, settings: object) => {
    const model = scriptedModel([say(message("{}"))], info);
    await world.run(model, thread, "hi", { settings });
    const {
      reasoning: effort,
      text,
      parallel_tool_calls,
      include,
      store,
      prompt_cache_key,
    } = JSON.parse(model.requests[0]!);
    return { effort, text, parallel_tool_calls, include, store, prompt_cache_key };
  };
  const fixed = { include: ["reasoning.encrypted_content"], store: false, prompt_cache_key: thread.id };
  expect(await ask({}, { effort: "high", reasoningSummary: "auto", outputSchema: schema })).toEqual({
    ...fixed,
    effort: { effort: "high", summary: "auto" },
    text: {
      verbosity: "low",
      format: { type: "json_schema", name: "moho_output_schema", strict: true, schema },
    },
    parallel_tool_calls: true,
  });
  expect(await ask({ defaultEffort: undefined, verbosity: false, parallelTools: false }, {})).toEqual({
    ...fixed,
    effort: undefined,
    text: undefined,
    parallel_tool_calls: false,
  });
});

test("calls of a broken answer never act; the turn asks again, and gives up when answers keep breaking", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const dropped = new MohoError("stream_interrupted", "The stream ended early.", { requestId: "r-9" });
  const usage = { input: 10, cacheRead: 0, cacheWrite: 0, output: 5, reasoning: 0 };
  const model = scriptedModel([
    fail(dropped, [message("I will"), exec("touch made", {}, "c1")], usage),
    fail(dropped, [exec("touch made", {}, "c2")], usage),
    fail(dropped, [exec("touch made", {}, "c3")], usage),
    fail(dropped, [exec("touch made", {}, "c4")], usage),
    fail(new MohoError("upstream_refused", "No."), [exec("touch made", {}, "c5")], usage),
    say(message("again")),
  ]);
  const events = await world.run(model, thread);
  expect(events.at(-1)).toEqual({
    type: "turn.failed",
    error: {
      code: "stream_interrupted",
      category: "upstream",
      retryable: true,
      message: "The stream ended early.",
      next: dropped.next,
      request_id: "r-9",
    },
    usage: {
      input_tokens: 40,
      cached_input_tokens: 0,
      cache_write_input_tokens: 0,
      output_tokens: 20,
      reasoning_output_tokens: 0,
      cost_usd: (4 * (10 * 1250 + 5 * 10_000)) / 1e9,
    },
  });
  expect(model.requests).toHaveLength(4);
  expect(events.filter((event) => event.type === "error")).toHaveLength(3);
  expect(events.filter((event) => event.type === "item.started")).toEqual([]);
  expect(() => readFileSync(join(world.root, "made"))).toThrow();
  expect(JSON.parse(model.requests[1]!).input.slice(2)).toEqual([
    message("I will"),
    exec("touch made", {}, "c1"),
    {
      type: "function_call_output",
      call_id: "c1",
      output: "not run: the model's answer broke off, so the call may not be what it meant.",
    },
  ]);
  const refused = await world.run(model, thread, "Go on.");
  expect(refused.at(-1)).toMatchObject({ type: "turn.failed", error: { code: "upstream_refused" } });
  expect(model.requests).toHaveLength(5);
  expect((await world.run(model, thread, "Go on.")).at(-1)).toMatchObject({ type: "turn.completed" });
});

test("a stream without an end, one that throws, and retries are told apart", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const endless = await world.run(scriptedModel([() => done([message("half")])]), thread);
  expect(endless.at(-1)).toMatchObject({ type: "turn.failed", error: { code: "stream_interrupted" } });
  const broken = await world.run(
    scriptedModel([
      () => {
        throw new Error("boom");
      },
    ]),
    thread,
  );
  expect(broken.at(-1)).toMatchObject({ type: "turn.failed", error: { code: "internal", message: "boom" } });
  const error = new MohoError("throttled", "Too many tokens.");
  const retried = await world.run(
    scriptedModel([
      () => [
        { type: "request.sent", attempt: 1, bytes: 5 },
        { type: "request.retrying", attempt: 1, waitMs: 1500, error, spent: undefined },
        { type: "warning", message: "The clock was corrected." },
        ...done([message("ok")]),
        completed(),
      ],
    ]),
    thread,
  );
  expect(retried.slice(1, 3)).toEqual([
    { type: "error", message: "Try 1 failed (throttled: Too many tokens.); the next follows in 1.5 s." },
    { type: "error", message: "The clock was corrected." },
  ]);
  for (const events of [endless, broken, retried]) expectOneEnd(events);
});

test("calls that cannot be understood are answered, shown and survived", async () => {
  const world = makeWorld();
  const bad = [
    call("fly", {}, "c1"),
    call("exec_command", '{"cmd": "touch made"', "c2"),
    call("exec_command", { command: "touch made" }, "c3"),
    call("exec_command", { cmd: "touch made", shell: "zsh" }, "c4"),
    call("exec_command", { cmd: ["touch", "made"] }, "c5"),
    call("exec_command", "[]", "c6"),
    call("update_plan", { plan: [{ step: "a", status: "done" }] }, "c7"),
    call("write_stdin", { session_id: 9 }, "c8"),
    patch("*** Begin Patch\n*** Nonsense", "c9"),
    call("apply_patch", { patch: "x" }, "c10"),
    patch("ls", "c11"),
    { type: "custom_tool_call", call_id: "c12", name: "exec_command", input: "ls" } as Item,
    call("exec_command", '{"__proto__": {"cmd": "touch made"}}', "c13"),
    call("constructor", {}, "c14"),
  ];
  const model = scriptedModel([say(...bad), say(message("sorry"))]);
  const events = await world.run(model, await world.thread());
  const outputs = JSON.parse(model.requests[1]!).input.slice(2 + bad.length);
  const known = "cmd, workdir, tty, yield_time_ms, max_output_tokens, sandbox_permissions, justification";
  const first = outputs.map((item: { output: string }) => item.output.split("\n")[0]);
  expect(outputs.map((item: { call_id: string }) => item.call_id)).toEqual(
    bad.map((item) => item["call_id"]),
  );
  expect(first[0]).toBe(
    'failed: There is no tool "fly". The tools are: apply_patch, exec_command, update_plan, view_image, write_stdin.',
  );
  expect(first[1]).toMatch(/^failed: The arguments are not JSON: /);
  expect(first.slice(2, 8)).toEqual([
    "failed: The arguments do not fit: cmd is missing.",
    `failed: The arguments do not fit: shell is unknown (known: ${known}).`,
    "failed: The arguments do not fit: cmd must be a string.",
    "failed: The arguments do not fit: the whole must be an object.",
    "failed: The arguments do not fit: plan[0].status must be one of pending, in_progress, completed.",
    "failed: There is no session 9, or its end was reported.",
  ]);
  for (const line of first.slice(8)) expect(line).toMatch(/^failed: /);
  expect(outputs.slice(8, 12).map((item: Item) => item.type)).toEqual([
    "custom_tool_call_output",
    "function_call_output",
    "custom_tool_call_output",
    "custom_tool_call_output",
  ]);
  const items = events.filter((event) => event.type === "item.started" || event.type === "item.completed");
  expect(items.length).toBe(2 * bad.length + 1);
  expect(items.slice(0, 2)).toMatchObject([
    { type: "item.started", item: { id: "item_0", type: "error" } },
    { type: "item.completed", item: { id: "item_0", type: "error" } },
  ]);
  expect(() => readFileSync(join(world.root, "made"))).toThrow();
});

test("an edit by a function tool, by a shell heredoc and one that does not fit", async () => {
  const world = makeWorld();
  writeFileSync(join(world.root, "a.txt"), "one\n");
  const add = (name: string) => `*** Begin Patch\n*** Add File: ${name}\n+hi\n*** End Patch`;
  const model = scriptedModel(
    [
      say(
        call("apply_patch", { input: add("b.txt") }, "c1"),
        exec(`apply_patch <<'EOF'\n${add("c.txt")}\nEOF`, {}, "c2"),
        call(
          "apply_patch",
          { input: "*** Begin Patch\n*** Update File: a.txt\n@@\n-three\n+four\n*** End Patch" },
          "c3",
        ),
      ),
      say(message("done")),
    ],
    { patchTool: "function" },
  );
  const environment = {
    ...world.environment,
    start: () => {
      throw new Error("no command may start");
    },
  };
  const events = await world.run(model, await world.thread(), "go", { deps: { environment } });
  expect(readFileSync(join(world.root, "b.txt"), "utf8")).toBe("hi\n");
  expect(readFileSync(join(world.root, "c.txt"), "utf8")).toBe("hi\n");
  expect(
    events.flatMap((e) => (e.type === "item.completed" && e.item.type === "file_change" ? [e.item] : [])),
  ).toEqual([
    { id: "item_0", type: "file_change", changes: [{ path: "b.txt", kind: "add" }], status: "completed" },
    { id: "item_1", type: "file_change", changes: [{ path: "c.txt", kind: "add" }], status: "completed" },
    { id: "item_2", type: "file_change", changes: [{ path: "a.txt", kind: "update" }], status: "failed" },
  ]);
  expect(JSON.parse(model.requests[1]!).input.at(-1).output).toMatch(/^failed: a\.txt: /);
});

test("a plan and a picture", async () => {
  const world = makeWorld();
  const png = Buffer.from("89504e470d0a1a0a0000", "hex");
  writeFileSync(join(world.root, "p.png"), png);
  writeFileSync(join(world.root, "p.txt"), "not a picture");
  execFileSync("mkfifo", [join(world.root, "pipe")]);
  const plan = [
    { step: "look", status: "completed" },
    { step: "act", status: "in_progress" },
  ];
  const model = scriptedModel([
    say(
      call("update_plan", { explanation: "why", plan }, "c1"),
      call("view_image", { path: "p.png" }, "c2"),
      call("view_image", { path: "p.txt" }, "c3"),
      call("view_image", { path: "." }, "c4"),
      call("view_image", { path: "pipe" }, "c5"),
    ),
    say(message("done")),
  ]);
  const events = await world.run(model, await world.thread());
  const items = [
    { text: "look", completed: true },
    { text: "act", completed: false },
  ];
  expect(settle(events, world).slice(1, 3)).toEqual([
    { type: "item.started", item: { id: "item_0", type: "todo_list", items } },
    {
      type: "item.started",
      item: { id: "item_1", type: "image_view", path: "/repo/p.png", status: "in_progress" },
    },
  ]);
  expect(settle(JSON.parse(model.requests[1]!).input, world).slice(7)).toEqual([
    { type: "function_call_output", call_id: "c1", output: "The plan is shown." },
    {
      type: "function_call_output",
      call_id: "c2",
      output: [{ type: "input_image", image_url: `data:image/png;base64,${png.toString("base64")}` }],
    },
    {
      type: "function_call_output",
      call_id: "c3",
      output: "failed: /repo/p.txt is no PNG, JPEG, GIF or WebP picture.\nCorrect what the message names.",
    },
    {
      type: "function_call_output",
      call_id: "c4",
      output: "failed: /repo is no file.\nCheck the path and the id.",
    },
    {
      type: "function_call_output",
      call_id: "c5",
      output: "failed: /repo/pipe is no file.\nCheck the path and the id.",
    },
  ]);
});

test("two turns of one thread never run at once", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const model = scriptedModel([say(exec("sleep 0.2")), say(message("ok"))]);
  const [one, two] = await Promise.all([world.run(model, thread), world.run(model, thread)]);
  expect(one.at(-1)!.type).toBe("turn.completed");
  expect(two).toMatchObject([
    { type: "turn.started" },
    { type: "turn.failed", error: { code: "thread_busy" } },
  ]);
});

test("a log that cannot be written fails the turn, and nothing acts unrecorded", async () => {
  const world = makeWorld();
  const broken: Log = {
    append: async (stream, bodies) => {
      if (bodies.some((body) => body.includes("function_call")))
        throw new MohoError("unavailable", "The disk is full.");
      return world.log.append(stream, bodies);
    },
    read: (stream, options) => world.log.read(stream, options),
    last: (stream) => world.log.last(stream),
    streams: (prefix) => world.log.streams(prefix),
    close: () => world.log.close(),
  };
  const other = makeWorld({ log: broken });
  const model = scriptedModel([say(exec(`touch ${other.root}/made`))]);
  const events = await other.run(model, await other.thread());
  expect(events.at(-1)).toMatchObject({ type: "turn.failed", error: { code: "unavailable" } });
  expect(() => readFileSync(join(other.root, "made"))).toThrow();
  expectOneEnd(events);
});

function inputsOf(requests: readonly string[], world: World): unknown[] {
  return requests.map((request) => settle(JSON.parse(request).input, world));
}

function expectOneEnd(events: readonly ThreadEvent[]): void {
  const ends = events.filter((event) => event.type === "turn.completed" || event.type === "turn.failed");
  expect(ends).toEqual([events.at(-1)]);
}
