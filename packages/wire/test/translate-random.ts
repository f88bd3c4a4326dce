/** Random histories and answers for the property tests of translation. */

import type { ContentPart, Item } from "@moho/protocol";
import type { Random } from "@moho/testkit";

const WORDS = ["look", "Grüße", "😀", '"quoted"', "a\nb", "\\", "tool", "</reasoning>", "data: x", "  "];

export function words(random: Random, most = 6): string {
  return `w${Array.from({ length: 1 + random.int(most) }, () => random.pick(WORDS)).join(" ")}`;
}

const PNG = "data:image/png;base64,iVBORw0KGgo=";
const PDF = "data:application/pdf;base64,JVBERi0xLjQK";

function userParts(random: Random): ContentPart[] {
  const parts: ContentPart[] = [{ type: "input_text", text: words(random) }];
  if (random.int(4) === 0) parts.push({ type: "input_image", image_url: PNG });
  if (random.int(6) === 0) parts.push({ type: "input_file", filename: "a.pdf", file_data: PDF });
  return parts;
}

export interface HistoryOptions {
  /** Some calls never got a result, some results come late or without a call. */
  interrupted: boolean;
  /** Reasoning in the form that the dialect can carry. */
  reasoning: (random: Random) => Item | undefined;
  /** Text behind calls, several texts in one answer. */
  mixed: boolean;
}

/** `turns` exchanges: a user message, then answers with calls and their results. */
export function history(random: Random, turns: number, options: HistoryOptions): Item[] {
  const items: Item[] = [
    { type: "message", role: "developer", content: [{ type: "input_text", text: "Be brief." }] },
  ];
  let call = 0;
  for (let turn = 0; turn < turns; turn++) {
    items.push({ type: "message", role: "user", content: userParts(random) });
    for (let step = random.int(3); step >= 0; step--) {
      const thought = random.int(2) === 0 ? options.reasoning(random) : undefined;
      const ids: string[] = [];
      if (thought !== undefined) items.push(thought);
      if (step === 0 || random.int(2) === 0 || thought === undefined) items.push(said(random));
      if (step === 0) break;
      for (let n = 1 + random.int(3); n > 0; n--) {
        const id = `call_${call++}`;
        ids.push(id);
        items.push({
          type: "function_call",
          call_id: id,
          name: random.pick(["read", "write"]),
          arguments: args(random),
        });
        if (options.mixed && random.int(5) === 0) items.push(said(random));
      }
      items.push(...results(random, ids, options.interrupted));
    }
  }
  return items;
}

function said(random: Random): Item {
  return {
    type: "message",
    role: "assistant",
    content: [{ type: "output_text", text: words(random), annotations: [] }],
  };
}

function args(random: Random): string {
  return JSON.stringify(
    random.int(5) === 0 ? {} : { path: words(random, 2), deep: { n: random.int(9), list: [true, null] } },
  );
}

function results(random: Random, ids: readonly string[], interrupted: boolean): Item[] {
  const items: Item[] = [];
  for (const id of ids) {
    if (interrupted && random.int(4) === 0) continue;
    if (interrupted && random.int(6) === 0) items.push({ type: "message", role: "user", content: "wait" });
    const rich = random.int(4) === 0;
    const image: ContentPart[] = [
      { type: "input_text", text: words(random) },
      { type: "input_image", image_url: PNG },
    ];
    items.push({ type: "function_call_output", call_id: id, output: rich ? image : words(random) });
  }
  if (interrupted && random.int(5) === 0) items.reverse();
  if (interrupted && random.int(8) === 0) {
    items.push({ type: "function_call_output", call_id: `lost_${random.int(1e6)}`, output: "late" });
  }
  return items;
}

/** An answer as a fold hands it on. */
export function answer(random: Random, reasoning: (random: Random) => Item | undefined): Item[] {
  const items: Item[] = [];
  const thought = reasoning(random);
  if (thought !== undefined && random.int(2) === 0) items.push(thought);
  if (random.int(4) > 0) items.push(said(random));
  for (let n = random.int(4); n > 0; n--) {
    const call = { call_id: `call_${items.length}` };
    const kind = random.int(4);
    if (kind === 0)
      items.push({ type: "custom_tool_call", ...call, name: "apply_patch", input: words(random) });
    else if (kind === 1) {
      items.push({
        type: "function_call",
        ...call,
        name: "spawn",
        namespace: "agents",
        arguments: args(random),
      });
    } else items.push({ type: "function_call", ...call, name: "read", arguments: args(random) });
  }
  if (items.length === 0) items.push(said(random));
  return items;
}
