/** Every spelling of every model, in every region: one table answers, and its answer is a fixed point. */

import { MANTLE_REGIONS, REGIONS } from "@moho/aws";
import { expect, test } from "vitest";
import { MODELS } from "../src/catalogue/models.ts";
import { type Provider, resolveModel } from "../src/index.ts";

const now = Date.parse("2026-11-21T00:00:00Z");
const PROVIDERS: readonly Provider[] = ["amazon-bedrock", "amazon-bedrock-runtime"];
const REGION_IDS = [...Object.keys(REGIONS), "us-moon-1", "us-gov-new-9"];

function spellings(name: string, region: string): string[] {
  const row = MODELS.find((model) => model.name === name)!;
  const runtime = row.runtime?.id ?? `openai.${name}`;
  return [
    name,
    name.toUpperCase(),
    ` ${name} `,
    `openai.${name}`,
    `openai/${name}`,
    `openai.${name}-v1`,
    `amazon-bedrock/openai.${name}`,
    runtime,
    `us.${runtime}`,
    `global.${runtime}`,
    `us-gov.${runtime}`,
    `apac.${runtime}`,
    `arn:aws:bedrock:${region}::foundation-model/${runtime}`,
    `arn:aws-us-gov:bedrock:${region}::foundation-model/${runtime}`,
    `arn:aws:bedrock:${region}:111122223333:inference-profile/global.${runtime}`,
  ];
}

test("every spelling × provider × region resolves to the same model, and resolving the result changes nothing", () => {
  let cases = 0;
  for (const row of MODELS) {
    for (const region of REGION_IDS) {
      for (const provider of PROVIDERS) {
        for (const model of spellings(row.name, region)) {
          const found = resolveModel({ model, provider, region, now });
          const where = `${model} ${provider} ${region}`;
          expect(found.info.known, where).toBe(true);
          expect(found.info.contextWindow, where).toBe(row.contextWindow);
          expect(found.nearest, where).toEqual([]);
          if (provider === "amazon-bedrock") expect(found.info.id, where).toBe(`openai.${row.name}`);
          else expect(found.info.id, where).toContain(row.name);
          const again = resolveModel({ model: found.info.id, provider, region, now });
          expect([again.info, again.baseUrl, again.service], where).toEqual([
            found.info,
            found.baseUrl,
            found.service,
          ]);
          cases++;
        }
      }
    }
  }
  expect(cases).toBeGreaterThan(10_000);
});

test("host, path and service follow provider, region and partition; prices follow partition and scope", () => {
  for (const row of MODELS) {
    for (const region of REGION_IDS) {
      const mantle = resolveModel({ model: row.name, provider: "amazon-bedrock", region, now });
      const runtime = resolveModel({ model: row.name, provider: "amazon-bedrock-runtime", region, now });
      const china = region.startsWith("cn-");
      const path = row.name.startsWith("gpt-oss") ? "/v1" : "/openai/v1";
      if (!china && !region.startsWith("eusc-"))
        expect(mantle.baseUrl).toBe(`https://bedrock-mantle.${region}.api.aws${path}`);
      if (china) expect(runtime.baseUrl).toBe(`https://bedrock-runtime.${region}.amazonaws.com.cn/openai/v1`);
      expect([mantle.service, runtime.service]).toEqual(["bedrock-mantle", "bedrock"]);
      const gov = region.startsWith("us-gov-");
      expect(mantle.partition).toBe(gov ? "aws-us-gov" : china ? "aws-cn" : mantle.partition);
      if (china) expect(mantle.info.price).toBeUndefined();
      if (gov) expect(mantle.info.price!.input).toBe(Math.ceil(row.prices[0]!.list.input * 1.2));
      if (MANTLE_REGIONS.includes(region)) expect(mantle.warnings.join()).not.toContain("not known to have");
    }
  }
});

/** Dollars per million tokens, straight from the price list: in, write, read, out; then the same above 272K. */
const PRICES: readonly [model: string, provider: Provider, usual: number[], long?: number[]][] = [
  ["gpt-5.6-sol", "amazon-bedrock", [4.4, 5.5, 0.44, 22], [8.8, 11, 0.88, 33]],
  ["global.openai.gpt-5.6-sol", "amazon-bedrock-runtime", [4, 5, 0.4, 20], [8, 10, 0.8, 30]],
  ["us.openai.gpt-5.6-sol", "amazon-bedrock-runtime", [4.4, 5.5, 0.44, 22], [8.8, 11, 0.88, 33]],
  ["gpt-5.6-terra", "amazon-bedrock", [2.2, 2.75, 0.22, 13.2], [4.4, 5.5, 0.44, 19.8]],
  ["global.openai.gpt-5.6-terra", "amazon-bedrock-runtime", [2, 2.5, 0.2, 12], [4, 5, 0.4, 18]],
  ["gpt-5.6-luna", "amazon-bedrock", [0.22, 0.275, 0.022, 1.32], [0.44, 0.55, 0.044, 1.98]],
  ["gpt-6-astra", "amazon-bedrock", [11, 13.75, 1.1, 55], [22, 27.5, 2.2, 82.5]],
  ["gpt-5.5", "amazon-bedrock", [5.5, 5.5, 0.55, 33]],
  ["gpt-5.4", "amazon-bedrock", [2.75, 2.75, 0.275, 16.5]],
  ["gpt-oss-120b", "amazon-bedrock", [0.15, 0.15, 0.15, 0.6]],
  ["openai.gpt-oss-20b-1:0", "amazon-bedrock-runtime", [0.07, 0.07, 0.07, 0.3]],
];

test.each(PRICES)("the price of %s on %s", (model, provider, usual, long) => {
  const price = resolveModel({ model, provider, region: "us-east-1", now }).info.price!;
  const dollars = (p: { input: number; cacheWrite: number; cacheRead: number; output: number }) =>
    [p.input, p.cacheWrite, p.cacheRead, p.output].map((nano) => nano / 1000);
  expect(dollars(price)).toEqual(usual);
  if (long)
    expect([price.longContext!.above, ...dollars(price.longContext!.price)]).toEqual([272_000, ...long]);
  else expect(price.longContext).toBeUndefined();
});

/** What is asked, on which provider and in which region; the id that is sent; the warnings' words, in order. */
const SPELLED: readonly [string, Provider, string, string, ...string[]][] = [
  ["gpt-5.6-sol", "amazon-bedrock-runtime", "us-east-1", "us.openai.gpt-5.6-sol"],
  ["gpt-5.6-sol", "amazon-bedrock-runtime", "eu-west-1", "global.openai.gpt-5.6-sol"],
  ["gpt-5.6-luna", "amazon-bedrock-runtime", "us-gov-west-1", "us-gov.openai.gpt-5.6-luna"],
  ["gpt-oss-120b", "amazon-bedrock-runtime", "us-east-1", "openai.gpt-oss-120b-1:0"],
  ["us.openai.gpt-oss-20b", "amazon-bedrock-runtime", "us-east-1", "openai.gpt-oss-20b-1:0"],
  ["openai.gpt-oss-120b-1:0", "amazon-bedrock", "us-east-1", "openai.gpt-oss-120b"],
  [
    "eu.openai.gpt-5.6-sol",
    "amazon-bedrock-runtime",
    "us-east-1",
    "eu.openai.gpt-5.6-sol",
    "does not belong",
  ],
  ["openai.gpt-5.5-v1", "amazon-bedrock", "us-east-1", "openai.gpt-5.5", "is written `openai.gpt-5.5`"],
  ["openai.codex-v2", "amazon-bedrock", "us-east-1", "openai.codex-v2", "not in the catalogue"],
  ["gpt-5.6-soll", "amazon-bedrock", "us-east-1", "openai.gpt-5.6-soll", "Near it: gpt-5.6-sol"],
  ["qwen.qwen3-coder-480b", "amazon-bedrock", "us-east-1", "qwen.qwen3-coder-480b", "not in the catalogue"],
  [
    "gpt-5.5",
    "amazon-bedrock-runtime",
    "us-east-1",
    "openai.gpt-5.5",
    "not known to be served by amazon-bedrock-runtime",
  ],
  ["gpt-5.6-sol", "amazon-bedrock", "eu-west-1", "openai.gpt-5.6-sol", "known: us-east-1, us-east-2"],
  ["gpt-5.6-luna", "amazon-bedrock", "us-gov-west-1", "openai.gpt-5.6-luna"],
  [
    "gpt-oss-20b",
    "amazon-bedrock",
    "us-gov-east-1",
    "openai.gpt-oss-20b",
    "not known to have a Bedrock Mantle endpoint",
  ],
  ["gpt-oss-20b", "amazon-bedrock", "us-moon-1", "openai.gpt-oss-20b", "not in Moho's table"],
  [
    "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abcdefghijkl",
    "amazon-bedrock-runtime",
    "us-east-1",
    "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abcdefghijkl",
    "not in the catalogue",
    "Application inference profiles are refused",
  ],
  [
    "arn:aws:bedrock:us-west-2::foundation-model/openai.gpt-oss-20b-1:0",
    "amazon-bedrock",
    "us-east-1",
    "openai.gpt-oss-20b",
    "names region us-west-2",
  ],
];

test.each(SPELLED)("%s on %s in %s is sent as %s", (model, provider, region, id, ...words) => {
  const found = resolveModel({ model, provider, region, now });
  expect(found.info.id).toBe(id);
  expect(found.warnings).toHaveLength(words.length);
  for (const [index, word] of words.entries()) expect(found.warnings[index]).toContain(word);
});

test("an unknown model passes through with careful guesses and no price", () => {
  const { info, baseUrl } = resolveModel({
    model: "moonshot.kimi-k3",
    provider: "amazon-bedrock",
    region: "us-east-1",
    now,
  });
  expect(info).toMatchObject({ known: false, price: undefined, patchTool: "function", parallelTools: false });
  expect(baseUrl).toBe("https://bedrock-mantle.us-east-1.api.aws/v1");
});

test("a base URL replaces the host; its own path wins, a bare host keeps Bedrock's; nothing else changes", () => {
  const ask = (model: string, baseUrl: string) =>
    resolveModel({ model, provider: "amazon-bedrock", region: "us-gov-west-1", baseUrl, now });
  expect(ask("gpt-oss-20b", "http://127.0.0.1:8791").baseUrl).toBe("http://127.0.0.1:8791/v1");
  expect(ask("gpt-oss-20b", "http://127.0.0.1:8791/openai/v1/").baseUrl).toBe(
    "http://127.0.0.1:8791/openai/v1",
  );
  const vpce = ask("gpt-5.6-luna", "https://vpce-1.bedrock-mantle.us-gov-west-1.vpce.amazonaws.com");
  expect([vpce.baseUrl, vpce.service, vpce.region, vpce.partition]).toEqual([
    "https://vpce-1.bedrock-mantle.us-gov-west-1.vpce.amazonaws.com/openai/v1",
    "bedrock-mantle",
    "us-gov-west-1",
    "aws-us-gov",
  ]);
});

test.each([
  [{ provider: "amazon-bedrock" }, "No AWS region"],
  [{ provider: "openai-compatible" }, "has no `base_url`"],
  [{ provider: "amazon-bedrock", baseUrl: "gateway.local/openai" }, "is not a URL"],
  [{ provider: "amazon-bedrock", baseUrl: "file:///etc/passwd" }, "must start with http:// or https://"],
  [{ provider: "amazon-bedrock", region: "us-east-1.evil.example/" }, "is not the name of an AWS region"],
  [{ provider: "amazon-bedrock", region: "x@evil" }, "is not the name of an AWS region"],
] as const)("%j is refused as configuration", (question, words) => {
  const ask = () => resolveModel({ model: "gpt-5.5", now, ...question });
  expect(ask).toThrow(words);
  expect(ask).toThrow(expect.objectContaining({ code: "invalid_config" }));
});

test("a price holds from its first day", () => {
  const before = resolveModel({
    model: "gpt-oss-20b",
    provider: "amazon-bedrock",
    region: "us-east-1",
    now: 0,
  });
  expect(before.info.price).toBeDefined();
});
