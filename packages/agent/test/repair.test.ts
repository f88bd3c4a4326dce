/** Any history, however it was cut or mixed, becomes one that may be sent. */

import type { Item } from "@moho/protocol";
import { expect, test } from "vitest";
import { repairItems } from "../src/thread/repair.ts";
import { call, message, patch, reasoning } from "./support/model.ts";
import { faultsOf } from "./support/valid.ts";

const user = (text: string): Item => ({ type: "message", role: "user", content: text });
const output = (id: string): Item => ({ type: "function_call_output", call_id: id, output: `of ${id}` });
const INTERRUPTED = expect.stringMatching(/^interrupted: /);

test("items in order stay the very same", () => {
  const items = [
    user("a"),
    reasoning("r"),
    call("x", {}, "1"),
    call("x", {}, "2"),
    output("1"),
    output("2"),
    message("m"),
  ];
  expect(repairItems(items)).toBeUndefined();
  expect(repairItems([])).toBeUndefined();
});

test("orphans, strays, doubles and loose reasoning", () => {
  const [one, two] = [call("x", {}, "1"), patch("p", "2")];
  const repaired = repairItems([
    user("a"),
    reasoning("r"),
    one,
    two,
    user("b"),
    output("1"),
    output("1"),
    output("9"),
    reasoning("s"),
    user("c"),
  ]);
  expect(repaired).toEqual({
    items: [
      user("a"),
      reasoning("r"),
      one,
      two,
      output("1"),
      { type: "custom_tool_call_output", call_id: "2", output: INTERRUPTED },
      user("b"),
      user("c"),
    ],
    outputs: [{ type: "custom_tool_call_output", call_id: "2", output: INTERRUPTED }],
    dropped: 3,
  });
});

test("random histories: valid after, the same when repeated, untouched before the first fault", () => {
  let seed = 1;
  const random = (below: number) => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  for (let round = 0; round < 3000; round++) {
    const items: Item[] = Array.from({ length: random(14) }, () => {
      const id = String(random(6));
      return [user(id), message(id), reasoning(id), call("x", {}, id), patch("p", id), output(id)][
        random(6)
      ]!;
    });
    const sound = items.filter(
      (item, i) =>
        !("call_id" in item) ||
        items.findIndex((o) => o.type === item.type && o["call_id"] === item["call_id"]) === i,
    );
    const kinds = sound.filter(
      (item) =>
        !(
          item.type === "function_call_output" &&
          sound.some((c) => c.type === "custom_tool_call" && c["call_id"] === item.call_id)
        ) &&
        !(
          item.type === "custom_tool_call" &&
          sound.some((c) => c.type === "function_call" && c["call_id"] === item["call_id"])
        ),
    );
    const repaired = repairItems(kinds)?.items ?? kinds;
    expect(faultsOf(repaired)).toEqual([]);
    expect(repairItems(repaired)).toBeUndefined();
    let whole = 0;
    while (whole < kinds.length && faultsOf(kinds.slice(0, whole + 1)).length === 0) whole++;
    expect(repaired.slice(0, whole)).toEqual(kinds.slice(0, whole));
  }
});
