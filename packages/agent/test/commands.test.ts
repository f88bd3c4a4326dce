/** Commands: short and long, interactive and endless, side by side, and killed. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Item, ThreadEvent } from "@moho/protocol";
import { expect, test } from "vitest";
import { type Answer, call, completed, done, exec, message, say, scriptedModel } from "./support/model.ts";
import { makeWorld, recordsOf } from "./support/world.ts";

/** The last output in a request's input. */
const lastOutput = (request: string): string => JSON.parse(request).input.at(-1).output;
const wait = (session: number, more: object = {}) => call("write_stdin", { session_id: session, ...more });

function commands(events: readonly ThreadEvent[]) {
  return events.flatMap((event) =>
    "item" in event && event.item.type === "command_execution"
      ? [[event.type, event.item.id, event.item.status, event.item.exit_code, event.item.aggregated_output]]
      : [],
  );
}

/** Ends an answer once `path` exists: the world, not the clock, says when. */
function when(path: string, ...items: Item[]): Answer {
  return async function* () {
    while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 5));
    yield* [...done(items), completed()];
  };
}

test("a command that outlives its wait is a session; waiting for it ends when it does", async () => {
  const world = makeWorld();
  const model = scriptedModel([
    say(exec("echo one; while [ ! -e go ]; do sleep 0.01; done; echo two; exit 4", { yield_time_ms: 250 })),
    () => {
      writeFileSync(join(world.root, "go"), "");
      return [...done([wait(1, { yield_time_ms: 300_000 })]), completed()];
    },
    say(wait(1)),
    say(message("done")),
  ]);
  const events = await world.run(model, await world.thread());
  expect(commands(events)).toEqual([
    ["item.started", "item_0", "in_progress", null, ""],
    ["item.updated", "item_0", "in_progress", null, "one\n"],
    ["item.completed", "item_0", "failed", 4, "one\ntwo\n"],
  ]);
  expect(lastOutput(model.requests[1]!)).toBe(
    "Wall time: 0.0 seconds\nProcess running with session ID 1\nOriginal token count: 1\nOutput:\none\n",
  );
  expect(lastOutput(model.requests[2]!)).toBe(
    "Wall time: 0.0 seconds\nProcess exited with code 4\nOriginal token count: 1\nOutput:\ntwo\n",
  );
  expect(lastOutput(model.requests[3]!)).toMatch(/^failed: There is no session 1/);
});

test("a terminal session is typed into; one without a terminal refuses, but can be stopped", async () => {
  const world = makeWorld();
  const model = scriptedModel([
    say(exec("read -p 'name? ' x; echo hello $x; exit 0", { tty: true, yield_time_ms: 250 })),
    say(wait(1, { chars: "Ada\n", yield_time_ms: 20_000 })),
    say(exec("sleep 1000", { yield_time_ms: 250 })),
    say(wait(2, { chars: "x" })),
    say(wait(2, { chars: "\u0003", yield_time_ms: 20_000 })),
    say(message("done")),
  ]);
  const events = await world.run(model, await world.thread());
  expect(lastOutput(model.requests[1]!)).toMatch(/session ID 1[\s\S]*name\? $/);
  expect(lastOutput(model.requests[2]!)).toMatch(/exited with code 0[\s\S]*hello Ada/);
  expect(lastOutput(model.requests[4]!)).toMatch(/^failed: The input of session 2 is closed.\nStart/);
  expect(lastOutput(model.requests[5]!)).toMatch(/Process ended by SIGKILL/);
  expect(commands(events).filter(([, id]) => id !== "item_0")).toEqual([
    ["item.started", "item_1", "in_progress", null, ""],
    ["item.updated", "item_1", "in_progress", null, ""],
    ["item.completed", "item_1", "failed", null, ""],
  ]);
});

test("a background command completes when it ends, else with the turn, and lives over turns", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const first = scriptedModel([
    say(
      exec("while [ ! -e go1 ]; do sleep 0.01; done; touch ended1", { yield_time_ms: 250 }),
      exec("while [ ! -e go2 ]; do sleep 0.01; done; echo late", { yield_time_ms: 250 }),
    ),
    () => {
      writeFileSync(join(world.root, "go1"), "");
      return when(join(world.root, "ended1"), exec("sleep 0.1"))({} as never, {} as never);
    },
    say(message("left it running")),
  ]);
  const events = commands(await world.run(first, thread));
  expect(events.filter(([, id]) => id === "item_0").at(-1)).toEqual([
    "item.completed",
    "item_0",
    "completed",
    0,
    "",
  ]);
  expect(events.at(-1)).toEqual(["item.completed", "item_1", "in_progress", null, ""]);
  const second = scriptedModel([say(wait(2, { yield_time_ms: 250 })), say(message("it runs"))]);
  expect(commands(await world.run(second, thread, "Does it?"))).toEqual([
    ["item.started", "item_4", "in_progress", null, ""],
    ["item.updated", "item_4", "in_progress", null, ""],
    ["item.completed", "item_4", "in_progress", null, ""],
  ]);
  const third = scriptedModel([
    () => {
      writeFileSync(join(world.root, "go2"), "");
      return [...done([wait(2, { yield_time_ms: 20_000 })]), completed()];
    },
    say(message("done")),
  ]);
  expect(commands(await world.run(third, thread, "And?"))).toEqual([
    ["item.started", "item_6", "in_progress", null, ""],
    ["item.completed", "item_6", "completed", 0, "late\n"],
  ]);
  expect(lastOutput(third.requests[1]!)).toMatch(/exited with code 0[\s\S]*late/);
});

test("what only reads runs together, anything else alone; outputs keep the order of the calls", async () => {
  const world = makeWorld();
  execFileSync("mkfifo", [join(world.root, "pipe")]);
  const running = new Set<string>();
  const beside: Record<string, string[]> = {};
  const environment = {
    ...world.environment,
    start: async (spec: Parameters<typeof world.environment.start>[0]) => {
      const name = spec.argv[2]!;
      beside[name] = [...running];
      running.add(name);
      // The first reader ends only when the second one runs.
      if (name === "cat b") void writeFile(join(world.root, "pipe"), "from the pipe");
      const process = await world.environment.start(spec);
      void process.exited.then(() => running.delete(name));
      return process;
    },
  };
  writeFileSync(join(world.root, "b"), "b");
  const model = scriptedModel([
    say(
      exec("cat pipe", {}, "c1"),
      exec("cat b", {}, "c2"),
      exec("echo x > b", {}, "c3"),
      exec("cat b | head", {}, "c4"),
    ),
    say(message("done")),
  ]);
  await world.run(model, await world.thread(), "go", { deps: { environment } });
  expect(beside).toEqual({ "cat pipe": [], "cat b": ["cat pipe"], "echo x > b": [], "cat b | head": [] });
  const outputs = JSON.parse(model.requests[1]!).input.slice(6);
  expect(
    outputs.map((item: { call_id: string; output: string }) => [
      item.call_id,
      item.output.split("Output:\n")[1],
    ]),
  ).toEqual([
    ["c1", "from the pipe"],
    ["c2", "b"],
    ["c3", ""],
    ["c4", "x\n"],
  ]);
});

test("endless output is bounded everywhere, and says what is missing", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const model = scriptedModel([
    say(
      exec("head -c 30000000 /dev/zero | tr '\\0' x; echo END", {
        max_output_tokens: 50,
      }),
    ),
    say(exec("head -c 30000000 /dev/zero | tr '\\0' y; echo END", { max_output_tokens: 50_000 })),
    say(message("done")),
  ]);
  const events = await world.run(model, thread);
  const small = lastOutput(model.requests[1]!);
  expect(Buffer.byteLength(small)).toBeLessThan(450);
  expect(small).toMatch(/\[… 7\d{6} tokens \(\d+ bytes\) left out here …\]/);
  expect(small).toMatch(/END\n$/);
  expect(Buffer.byteLength(lastOutput(model.requests[2]!))).toBeLessThan(40_300);
  for (const [, , , , output] of commands(events))
    expect(Buffer.byteLength(String(output))).toBeLessThan(33_000);
  expect(JSON.stringify(await recordsOf(world.log, thread)).length).toBeLessThan(60_000);
});

test("stopping a turn kills what it started, and leaves a thread that goes on", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const stop = new AbortController();
  const model = scriptedModel([
    say(
      exec("echo $$ > pid1; while true; do sleep 0.05; done", { yield_time_ms: 250 }, "c1"),
      exec("echo $$ > pid2; touch ready; while true; do sleep 0.05; done", {}, "c2"),
      exec("touch never", {}, "c3"),
    ),
    say(message("back")),
  ]);
  const events: ThreadEvent[] = [];
  const watching = (async () => {
    for await (const event of world.stream(model, thread, "go", { signal: stop.signal })) events.push(event);
  })();
  while (!existsSync(join(world.root, "ready"))) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort();
  await watching;
  expect(events.at(-1)).toMatchObject({
    type: "turn.failed",
    error: { code: "interrupted", category: "interrupted", message: "The turn was stopped." },
  });
  const ends = commands(events).filter(([type]) => type === "item.completed");
  expect(ends.map((end) => end.slice(0, 4))).toEqual([
    ["item.completed", "item_1", "failed", null],
    ["item.completed", "item_0", "failed", null],
  ]);
  for (const name of ["pid1", "pid2"]) {
    const pid = Number(readFileSync(join(world.root, name), "utf8"));
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  }
  expect(existsSync(join(world.root, "never"))).toBe(false);
  expect((await world.run(model, thread, "again")).at(-1)!.type).toBe("turn.completed");
  const outputs = JSON.parse(model.requests[1]!).input.slice(5, 8);
  expect(
    outputs.map((item: { output: string }) => item.output.match(/session ID 1|SIGKILL|^not run: .*/)?.[0]),
  ).toEqual(["session ID 1", "SIGKILL", "not run: the turn was stopped before it."]);
});

test("leaving the events early stops the turn too", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const model = scriptedModel([
    say(exec("echo $$ > pid; while true; do sleep 0.05; done", { yield_time_ms: 250 })),
    when(join(world.root, "pid"), exec("sleep 100")),
  ]);
  for await (const event of world.stream(model, thread)) if (event.type === "item.updated") break;
  const pid = Number(readFileSync(join(world.root, "pid"), "utf8"));
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect((await recordsOf(world.log, thread)).at(-1)).toMatchObject({ type: "turn", phase: "failed" });
});

test("a turn past its time ends as such", async () => {
  const world = makeWorld();
  const model = scriptedModel([say(exec("sleep 100"))]);
  const events = await world.run(model, await world.thread(), "go", { limits: { timeoutMs: 200 } });
  expect(events.at(-1)).toMatchObject({
    type: "turn.failed",
    error: { code: "time_limit_reached", message: "The turn took longer than 0.2 s." },
  });
});

test("commands get the environment they are given, and nothing of ours", async () => {
  const world = makeWorld({ policy: { mode: "workspace-write" } });
  const thread = await world.thread();
  process.env["MOHO_CANARY"] = "sesame-7431";
  const cmd = "env | sort; for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ; done";
  const model = scriptedModel([say(exec(cmd)), say(message("ok"))]);
  const events = await world.run(model, thread);
  delete process.env["MOHO_CANARY"];
  const names = lastOutput(model.requests[1]!).match(/^\w+(?==)/gm)!;
  expect(names.slice(0, 4)).toEqual(["PATH", "PWD", "SHLVL", "_"]);
  const said = JSON.stringify([events, await recordsOf(world.log, thread), model.requests]);
  for (const secret of ["sesame-7431", "AWS_"]) expect(said).not.toContain(secret);
});

test("a command that cannot start is an output", async () => {
  const world = makeWorld();
  const model = scriptedModel([say(exec("ls", { workdir: "missing" })), say(message("ok"))]);
  const events = await world.run(model, await world.thread());
  expect(lastOutput(model.requests[1]!)).toMatch(/Process not started: .*missing/);
  expect(commands(events).map(([type, , status]) => [type, status])).toEqual([
    ["item.started", "in_progress"],
    ["item.completed", "failed"],
  ]);
});
