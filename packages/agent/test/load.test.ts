/** Long answers and long threads: what is kept does not grow with what only passes through. */

import type { ModelEvent } from "@moho/protocol";
import { expect, test } from "vitest";
import { openThread } from "../src/index.ts";
import { uuidv7 } from "../src/thread/uuid.ts";
import { completed, done, exec, message, say, scriptedModel } from "./support/model.ts";
import { makeWorld, recordsOf } from "./support/world.ts";

test("an answer of 20,000 deltas leaves one item, one record and one event", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  let pulled = 0;
  function* deltas(): Generator<ModelEvent> {
    for (; pulled < 20_000; pulled++) yield { type: "text.delta", index: 0, delta: "word " };
    yield* done([message("word ".repeat(20_000))]);
    yield completed();
  }
  const events = await world.run(scriptedModel([deltas]), thread);
  expect(pulled).toBe(20_000);
  expect(events.map((event) => event.type)).toEqual(["turn.started", "item.completed", "turn.completed"]);
  expect((await recordsOf(world.log, thread)).length).toBe(6);
});

test("a thread of 200 calls opens to the same items, each kept once", async () => {
  const world = makeWorld();
  const thread = await world.thread();
  const answers = Array.from({ length: 200 }, (_, i) => say(exec(`echo ${i}`)));
  const model = scriptedModel([...answers, say(message("end"))]);
  await world.run(model, thread);
  const opened = await openThread(world.log, thread.id);
  expect(opened.state).toEqual(thread.state);
  expect(opened.state.items).toHaveLength(403);
});

test("thread ids are version 7 and sort by time", () => {
  const ids = [1, 2, 0xffffffffff].map((now) => uuidv7(now, new Uint8Array(10).fill(255)));
  expect(ids).toEqual([
    "00000000-0001-7fff-bfff-ffffffffffff",
    "00000000-0002-7fff-bfff-ffffffffffff",
    "00ffffff-ffff-7fff-bfff-ffffffffffff",
  ]);
});
