/** Every request repeats the one before it: what providers cache stays cached. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openThread } from "../src/index.ts";
import { call, exec, message, patch, reasoning, say, scriptedModel } from "./support/model.ts";
import { makeWorld, NOW } from "./support/world.ts";

/** A request up to its last item: the closing brackets are cut. */
const upToInput = (request: string) => request.replace(/\]\}$/, "");

test("30 turns, with tools, resumed in between and on other days, and in one with new instructions", async () => {
  const world = makeWorld();
  let thread = await world.thread();
  mkdirSync(join(world.root, ".git"));
  writeFileSync(join(world.root, "AGENTS.md"), "Be brief.");
  const requests: string[] = [];
  for (let turn = 0; turn < 30; turn++) {
    const model = scriptedModel([
      say(reasoning(`r${turn}`), exec(`echo ${turn}`), exec("cat missing"), call("nothing", {})),
      say(patch(`*** Begin Patch\n*** Add File: f${turn}\n+${turn}\n*** End Patch`)),
      say(message(`turn ${turn} done`)),
    ]);
    if (turn === 20) writeFileSync(join(world.root, "AGENTS.md"), "Be very brief.");
    const now = () => NOW + Math.floor(turn / 10) * 86_400_000;
    await world.run(model, thread, `input ${turn}`, { deps: { now } });
    requests.push(...model.requests);
    if (turn % 7 === 3) thread = await openThread(world.log, thread.id);
  }
  expect(requests).toHaveLength(90);
  for (let i = 1; i < requests.length; i++) {
    expect(requests[i]!.startsWith(upToInput(requests[i - 1]!))).toBe(true);
    expect(requests[i]!.length).toBeGreaterThan(requests[i - 1]!.length);
  }
  const said = requests.at(-1)!;
  expect(said.match(/<environment>\\nsandbox/g)).toHaveLength(3);
  expect(said.match(/date: \d+-\d+-\d+/g)).toEqual([
    "date: 2026-11-21",
    "date: 2026-11-22",
    "date: 2026-11-23",
  ]);
  expect(said.match(/Be (very )?brief\./g)).toEqual(["Be brief.", "Be very brief."]);
});

test("another folder and another day share all that does not depend on them", async () => {
  const first: string[] = [];
  for (const days of [0, 3]) {
    const world = makeWorld();
    writeFileSync(join(world.home, "AGENTS.md"), "My own rules.");
    const model = scriptedModel([say(message("ok"))]);
    const now = () => NOW + days * 86_400_000;
    const thread = await world.thread();
    await world.run(model, thread, "hi", { deps: { now }, cwd: world.root });
    first.push(model.requests[0]!);
  }
  let shared = 0;
  while (first[0]![shared] === first[1]![shared]) shared++;
  expect(first[0]!.slice(0, shared)).toMatch(/My own rules\.[\s\S]*cwd: \/tmp\/moho-agent-$/);
});
