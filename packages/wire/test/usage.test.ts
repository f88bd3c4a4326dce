import { totalTokens, type Usage } from "@moho/protocol";
import { seededRandom } from "@moho/testkit";
import { readResponsesUsage, writeResponsesUsage } from "@moho/wire";
import { describe, expect, it } from "vitest";

const raw = (
  input: number,
  cached: number,
  written: number,
  output: number,
  reasoning: number,
  total = input + output,
) => ({
  input_tokens: input,
  input_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: reasoning },
  total_tokens: total,
});

describe("reads totals into disjoint buckets", () => {
  const cases: [string, unknown, Usage | undefined, RegExp?][] = [
    [
      "every part",
      raw(100, 60, 10, 50, 20),
      { input: 30, cacheRead: 60, cacheWrite: 10, output: 30, reasoning: 20 },
    ],
    [
      "no details",
      { input_tokens: 7, output_tokens: 3 },
      { input: 7, cacheRead: 0, cacheWrite: 0, output: 3, reasoning: 0 },
    ],
    [
      "null details",
      { input_tokens: 7, input_tokens_details: null, output_tokens: 3 },
      { input: 7, cacheRead: 0, cacheWrite: 0, output: 3, reasoning: 0 },
    ],
    [
      "output alone",
      { output_tokens: 3 },
      { input: 0, cacheRead: 0, cacheWrite: 0, output: 3, reasoning: 0 },
    ],
    [
      "more cached than input",
      raw(10, 60, 5, 0, 0),
      { input: 0, cacheRead: 10, cacheWrite: 0, output: 0, reasoning: 0 },
      /cached 60 \+ written 5 > input 10/,
    ],
    [
      "cached and written overlap",
      raw(100, 80, 40, 1, 0),
      { input: 0, cacheRead: 80, cacheWrite: 20, output: 1, reasoning: 0 },
      /cached 80/,
    ],
    [
      "more reasoning than output",
      raw(1, 0, 0, 5, 9),
      { input: 1, cacheRead: 0, cacheWrite: 0, output: 0, reasoning: 5 },
      /reasoning 9 > output 5/,
    ],
    [
      "another total",
      raw(10, 0, 0, 5, 0, 99),
      { input: 10, cacheRead: 0, cacheWrite: 0, output: 5, reasoning: 0 },
      /total 99/,
    ],
    [
      "negative and broken counts",
      { input_tokens: -5, output_tokens: 2, output_tokens_details: { reasoning_tokens: "9" } },
      { input: 0, cacheRead: 0, cacheWrite: 0, output: 2, reasoning: 0 },
    ],
    ["nothing", {}, undefined],
    ["null", null, undefined],
    ["text", "12", undefined],
  ];
  for (const [name, report, usage, contradiction] of cases) {
    it(name, () => {
      const reading = readResponsesUsage(report);
      expect(reading?.usage).toEqual(usage);
      if (contradiction === undefined) expect(reading?.contradiction).toBeUndefined();
      else expect(reading?.contradiction).toMatch(contradiction);
    });
  }
});

it("writes what it reads, and never counts a token twice", () => {
  const random = seededRandom(3);
  for (let i = 0; i < 500; i++) {
    const n = (): number => random.int(1000);
    const usage: Usage = { input: n(), cacheRead: n(), cacheWrite: n(), output: n(), reasoning: n() };
    expect(readResponsesUsage(writeResponsesUsage(usage))).toEqual({ usage });
    const any = raw(n(), n(), n(), n(), n());
    expect(totalTokens(readResponsesUsage(any)!.usage)).toBe(any.input_tokens + any.output_tokens);
  }
});
