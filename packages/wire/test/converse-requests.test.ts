/** Each mapping rule of aws-wire §4.8 and each refusal of §4.3 is a file in `fixtures/converse`. */

import { readdirSync, readFileSync } from "node:fs";
import { MohoError, type ResponsesRequest } from "@moho/protocol";
import { type Random, seededRandom } from "@moho/testkit";
import { type ConverseCapabilities, converseToHub, hubToConverse } from "@moho/wire";
import { describe, expect, it } from "vitest";
import { CLAUDE } from "./converse-answers.ts";

const ROOT = `${import.meta.dirname}/fixtures/converse`;
const cases = (side: string): [string, Record<string, unknown>][] =>
  readdirSync(`${ROOT}/${side}`).map((file) => [
    file.replace(".json", ""),
    JSON.parse(readFileSync(`${ROOT}/${side}/${file}`, "utf8")) as Record<string, unknown>,
  ]);

/** What a translation gave, or how it refused. */
function outcome(translate: () => unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(translate()));
  } catch (error) {
    if (!(error instanceof MohoError)) throw error;
    return { error: error.code, message: error.message, details: error.details };
  }
}

describe("Converse to the hub", () => {
  it.each(cases("in"))("%s", (_, { given, expected }) => {
    expect(outcome(() => converseToHub(given, "m"))).toEqual(expected);
  });
});

describe("the hub to Converse", () => {
  it.each(cases("out"))("%s", (_, { request, capabilities, guardrailConfig, expected }) => {
    const target = { ...CLAUDE, ...(capabilities as Partial<ConverseCapabilities>) };
    const translate = () => {
      const { body, notes } = hubToConverse(
        request as ResponsesRequest,
        target,
        guardrailConfig as undefined,
      );
      return { body: JSON.parse(body), notes };
    };
    expect(outcome(translate)).toEqual(expected);
  });
});

describe("a mangled Converse body", () => {
  it("is read or refused in our own words, never by a crash", () => {
    const bodies = cases("in").map(([, { given }]) => given);
    const words = [
      "",
      " ",
      "text",
      "toolUse",
      -1,
      1e308,
      null,
      true,
      [],
      {},
      [null],
      { text: "x" },
      { __proto__: 1 },
    ];
    for (let seed = 0; seed < 4000; seed++) {
      const random = seededRandom(seed);
      const body = structuredClone(random.pick(bodies));
      for (let changes = 1 + random.int(3); changes > 0; changes--) mangle(body, random, words);
      const result = outcome(() => converseToHub(body, "m")) as { error?: string };
      if (result.error !== undefined) expect(["invalid_request", "unsupported_item"]).toContain(result.error);
    }
  });
});

/** Replaces, removes or doubles a value somewhere in `body`. */
function mangle(body: unknown, random: Random, words: readonly unknown[]): void {
  let at = body;
  while (typeof at === "object" && at !== null) {
    const parent = at as Record<string, unknown>;
    const keys = Object.keys(parent);
    if (keys.length === 0) return;
    const key = random.pick(keys);
    const child = parent[key];
    const leaf = typeof child !== "object" || child === null;
    if (leaf || random.int(5) === 0) {
      const luck = random.int(3);
      if (luck === 0 && Array.isArray(parent)) parent.splice(Number(key), 1);
      else if (luck === 0) delete parent[key];
      else if (luck === 1 || !Array.isArray(parent)) parent[key] = structuredClone(random.pick(words));
      else parent.push(structuredClone(child));
      return;
    }
    at = child;
  }
}
