/** Random histories: what Converse can express comes back from it as it was, and equal requests give equal bytes. */

import { type Item, isToolCall, type ResponsesRequest } from "@moho/protocol";
import { type Random, seededRandom } from "@moho/testkit";
import { converseToHub, hubToConverse } from "@moho/wire";
import { describe, expect, it } from "vitest";
import { CLAUDE } from "./converse-answers.ts";

const WORDS = ["x", "Grüße 😀", '{"a":1}', "two\nlines", "</developer>", "a\u2028b", " padded "];
const TOOLS = ["ls", "read_file", "a-b"];

/** A thread that Converse can express whole: each call answered right behind its answer, user first. */
function history(random: Random): Item[] {
  const items: Item[] = [says(random, "user")];
  let calls = 0;
  for (let turns = random.int(6); turns >= 0; turns--) {
    const sealed = random.int(2) === 0 ? "moho.thinking.c2ln" : "moho.redacted.AQID";
    if (random.int(3) === 0) {
      const summary = sealed.includes("redacted")
        ? []
        : [{ type: "summary_text" as const, text: random.pick(WORDS) }];
      items.push({ type: "reasoning", summary, encrypted_content: sealed });
    }
    for (let texts = random.int(2); texts > 0; texts--) items.push(says(random, "assistant"));
    const ids = Array.from({ length: random.int(4) }, () => `call_${calls++}`);
    for (const id of ids) items.push(call(random, id));
    if (ids.length === 0 && items.at(-1)?.type !== "message") items.push(says(random, "assistant"));
    for (const id of ids) items.push(output(random, id));
    if (ids.length === 0 || random.int(2) === 0) items.push(says(random, "user"));
  }
  return items;
}

function says(random: Random, role: "user" | "assistant"): Item {
  const type = role === "user" ? ("input_text" as const) : ("output_text" as const);
  if (role === "assistant") return { type: "message", role, content: [{ type, text: random.pick(WORDS) }] };
  const parts: object[] = [{ type, text: random.pick(WORDS) }];
  if (random.int(3) === 0) parts.push({ type: "input_image", image_url: "data:image/png;base64,AQID" });
  if (random.int(4) === 0) {
    parts.push({ type: "input_file", filename: "a b.pdf", file_data: "data:application/pdf;base64,BA==" });
  }
  return { type: "message", role, content: parts as never };
}

function call(random: Random, id: string): Item {
  const args = JSON.stringify({
    [random.pick(WORDS)]: random.pick<unknown>([1, null, "é", [], { deep: [true] }]),
  });
  return { type: "function_call", call_id: id, name: random.pick(TOOLS), arguments: args };
}

function output(random: Random, id: string): Item {
  if (random.int(3) > 0) return { type: "function_call_output", call_id: id, output: random.pick(WORDS) };
  const image = { type: "input_image" as const, image_url: "data:image/webp;base64,AQID" };
  return { type: "function_call_output", call_id: id, output: [{ type: "input_text", text: "see" }, image] };
}

/** User messages that follow each other become one; document names are made distinct. */
function merged(items: readonly Item[]): unknown {
  const found: { role?: unknown; content?: unknown[] }[] = [];
  for (const item of JSON.parse(JSON.stringify(items)) as { role?: unknown; content?: unknown[] }[]) {
    const last = found.at(-1);
    if (item.role === "user" && last?.role === "user") last.content!.push(...item.content!);
    else found.push(item);
  }
  return JSON.parse(JSON.stringify(found).replaceAll(/a b \(\d+\)\.pdf/g, "a b.pdf"));
}

const request = (random: Random): ResponsesRequest => ({
  model: "m",
  store: false,
  include: ["reasoning.encrypted_content"],
  instructions: "be brief",
  input: history(random),
  tools: TOOLS.map((name) => ({ type: "function", name, parameters: { type: "object" }, strict: false })),
  max_output_tokens: 1 + random.int(100),
});

describe("a random history", () => {
  it("comes back from Converse as it was", () => {
    for (let seed = 0; seed < 400; seed++) {
      const hub = request(seededRandom(seed));
      const { body, notes } = hubToConverse(hub, CLAUDE);
      expect(notes).toEqual([]);
      const back = converseToHub(JSON.parse(body), "m");
      expect(back.notes).toEqual([]);
      const { input, ...settings } = back.request;
      expect(settings).toEqual({ ...hub, input: undefined });
      expect(merged(input as Item[])).toEqual(merged(hub.input as Item[]));
    }
  });

  it("gives the same bytes for the same request, and only grows with the thread", () => {
    for (let seed = 0; seed < 60; seed++) {
      const hub = request(seededRandom(seed));
      const { body } = hubToConverse(hub, CLAUDE);
      expect(hubToConverse(structuredClone(hub), CLAUDE).body).toBe(body);
      const more: Item[] = [
        ...(hub.input as Item[]),
        { type: "message", role: "assistant", content: "ok" },
        { type: "message", role: "user", content: "go on" },
      ];
      const next = hubToConverse({ ...hub, input: more }, CLAUDE).body;
      expect(next.startsWith(body.slice(0, -"]}]}".length))).toBe(true);
    }
  });

  it("however mangled, is translated to what Converse accepts, or refused in our own words", () => {
    let translated = 0;
    for (let seed = 0; seed < 600; seed++) {
      const random = seededRandom(seed);
      const hub = request(random);
      hub.input = mangled(hub.input as Item[], random);
      const tools = random.int(3) === 0 ? {} : { tools: hub.tools! };
      const cachePoints = random.pick(["none", "given", "placed"] as const);
      try {
        const { body } = hubToConverse(
          { ...hub, tools: undefined as never, ...tools },
          { ...CLAUDE, cachePoints },
        );
        // Our own reader holds Bedrock's rules: it throws when one of them is broken.
        converseToHub(JSON.parse(body), "m");
        expect(body.split('"cachePoint"').length - 1).toBeLessThanOrEqual(4);
        translated++;
      } catch (error) {
        expect(error).toMatchObject({
          code: "invalid_request",
          message: expect.stringContaining("`input` has no message"),
        });
      }
    }
    expect(translated).toBeGreaterThan(550);
  });
});

/** An interrupted, edited or merged thread: items dropped, doubled, moved, blanked. */
function mangled(items: readonly Item[], random: Random): Item[] {
  const list: Item[] = items.flatMap((item): Item[] => {
    const luck = random.int(12);
    if (luck === 0) return [];
    if (luck === 1) return [item, item];
    if (luck === 2 && isToolCall(item)) return [{ ...item, arguments: "{" } as Item];
    if (luck === 3 && item.type === "message") return [{ ...item, content: " " }];
    if (luck === 4) return [{ type: "message", role: "developer", content: "rule" }, item];
    if (luck === 5) return [{ type: "reasoning", summary: [] }, item];
    return [item];
  });
  for (let moves = random.int(4); moves > 0 && list.length > 1; moves--) {
    const [item] = list.splice(random.int(list.length), 1);
    list.splice(random.int(list.length), 0, item!);
  }
  return list;
}
