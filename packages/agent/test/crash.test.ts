/** `kill -9` at any moment: the log is cut at every record, and in the middle of each, and the thread goes on. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Item } from "@moho/protocol";
import { MohoError } from "@moho/protocol";
import { type Log, openFileLog } from "@moho/store";
import { expect, test } from "vitest";
import { createThread, latestThread, openThread } from "../src/index.ts";
import { exec, fail, message, patch, reasoning, say, scriptedModel } from "./support/model.ts";
import { faultsOf } from "./support/valid.ts";
import { makeWorld, NOW, recordsOf } from "./support/world.ts";

const NEW = { model: "openai.gpt-6.1-sol", provider: "amazon-bedrock", now: NOW };

/** The one file of a log with one thread. */
function fileIn(folder: string): string {
  const name = readdirSync(folder, { recursive: true, encoding: "utf8" }).find((path) =>
    path.endsWith(".jsonl"),
  );
  return join(folder, name!);
}

test("a thread cut anywhere opens, is repaired once, and its next request is valid", async () => {
  const world = makeWorld();
  const folder = join(world.home, "threads");
  const log = openFileLog(folder, { now: () => NOW });
  const thread = await createThread(log, { ...NEW, cwd: world.root, random: new Uint8Array(10) });
  const script = scriptedModel([
    say(reasoning("a"), exec("echo 1", {}, "c1"), exec("echo 2 > f", {}, "c2"), patch("bad", "c3")),
    fail(new MohoError("stream_interrupted", "Cut."), [reasoning("b"), exec("echo 4", {}, "c4")]),
    say(message("told"), reasoning("loose")),
    say(reasoning("c"), message("end")),
  ]);
  for (const input of ["one", "two", "three"]) await world.run(script, thread, input);
  await log.close();
  const path = fileIn(folder);
  const lines = readFileSync(path, "utf8").match(/.*\n/g)!;
  expect(lines.length).toBeGreaterThan(20);

  for (let kept = 1; kept <= lines.length; kept++) {
    for (const torn of [0, 1, Math.floor((lines[kept]?.length ?? 0) / 2), (lines[kept]?.length ?? 1) - 1]) {
      const cut = join(world.home, `cut-${kept}-${torn}`);
      const copy = path.replace(folder, cut);
      mkdirSync(join(copy, ".."), { recursive: true });
      writeFileSync(copy, lines.slice(0, kept).join("") + (lines[kept] ?? "").slice(0, torn));
      await goOn(cut, kept);
    }
  }

  async function goOn(cut: string, kept: number): Promise<void> {
    const again = openFileLog(cut, { now: () => NOW });
    expect(await latestThread(again, world.root)).toBe(thread.id);
    const opened = await openThread(again, thread.id);
    expect(faultsOf(opened.state.items)).toEqual([]);
    const model = scriptedModel([say(message("back"))]);
    const events = await world.run(model, opened, "Go on.");
    expect(events.at(-1)!.type).toBe("turn.completed");
    expect(events.filter((event) => event.type === "item.started")).toEqual([]);
    const input: Item[] = JSON.parse(model.requests[0]!).input;
    expect(faultsOf(input)).toEqual([]);
    // Whatever the cut log held of the thread is still said, in its order, but for loose reasoning.
    const known = lines
      .slice(0, kept)
      .flatMap((line) => JSON.parse(line.replace(/^[^{]*/, "")).body?.item ?? []);
    expect(known.length).toBeLessThanOrEqual(input.length + 2);
    const repairs = (await recordsOf(again, opened)).filter((record) => record["type"] === "repair");
    await again.close();
    const third = openFileLog(cut, { now: () => NOW });
    const reopened = await openThread(third, thread.id);
    expect((await recordsOf(third, reopened)).filter((record) => record["type"] === "repair")).toEqual(
      repairs,
    );
    expect(reopened.state).toEqual(opened.state);
    await third.close();
  }
});

test("the thread in memory is the fold of its log, at the end of every turn", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const model = scriptedModel([
    say(reasoning("a"), exec("echo 1", {}, "c1")),
    fail(new MohoError("throttled", "No."), [reasoning("b")]),
    say(message("end")),
  ]);
  for (const input of ["one", "two"]) {
    await world.run(model, thread, input);
    await thread.repair();
    expect((await openThread(world.log, thread.id)).state).toEqual(thread.state);
  }
});

test("reasoning is not shown to a model that did not write it", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  await world.run(scriptedModel([say(reasoning("mine"), message("one"))]), thread);
  const other = scriptedModel([say(message("two"))], { id: "anthropic.claude" });
  await world.run(other, await openThread(world.log, thread.id));
  expect(other.requests[0]).not.toContain("mine");
  expect(JSON.parse(other.requests[0]!).input).toHaveLength(4);
});

test("what is no thread is told apart", async () => {
  const { log } = makeWorld();
  await expect(openThread(log, "nothing")).rejects.toMatchObject({ code: "thread_not_found" });
  await log.append("odd", ['{"type":"turn"}']);
  await expect(openThread(log, "odd")).rejects.toMatchObject({ code: "log_corrupt" });
  await log.append("odder", ["[1]"]);
  await expect(openThread(log, "odder")).rejects.toMatchObject({ code: "log_corrupt" });
  await log.append("oddest", ["null"]);
  await expect(latestThread(log, "/elsewhere")).rejects.toMatchObject({ code: "log_corrupt" });
});

test("records of a later version are kept and passed over", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  await world.log.append(thread.id, ['{"type":"title","text":"new here"}']);
  expect((await openThread(world.log, thread.id)).state.items).toEqual([]);
});

test("the newest thread of a folder, among many", async () => {
  const { log } = makeWorld();
  const ids: string[] = [];
  for (let i = 0; i < 40; i++) {
    const random = new Uint8Array(10).fill(i);
    ids.push((await createThread(log, { ...NEW, cwd: `/p${i % 20}`, now: NOW + i, random })).id);
  }
  expect(await latestThread(log, "/p3")).toBe(ids[23]);
  expect(await latestThread(log, "/p20")).toBeUndefined();
  await (await openThread(log, ids[3]!)).append([{ type: "turn", phase: "started", model: "m" }]);
  expect(await latestThread(log, "/p3")).toBe(ids[3]);
});

test("one process writes a thread", async () => {
  const { home, root } = makeWorld();
  const folder = join(home, "threads");
  const one = openFileLog(folder);
  const { id } = await createThread(one, { ...NEW, cwd: root, random: new Uint8Array(10) });
  const two: Log = openFileLog(folder);
  await expect(openThread(two, id)).rejects.toMatchObject({ code: "thread_busy" });
  await one.close();
  expect((await openThread(two, id)).id).toBe(id);
  await two.close();
});
