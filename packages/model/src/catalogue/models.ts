/**
 * The models Moho knows: one row each. Facts and prices: `reference/aws-wire.md` §1.11, §4.7, §8 and
 * `reference/codex-behaviour.md` §2.3. Models that are not listed work too, with careful guesses.
 */

import type { TokenPrice } from "@moho/protocol";

/** A price from a day on, in nano-dollars a token as the model's maker lists it. */
export interface PriceRow {
  /** First day, UTC, `yyyy-mm-dd`. */
  from: string;
  list: TokenPrice;
  longContext?: { above: number; list: TokenPrice };
  /** What Bedrock asks of the list price, in percent. A scope that is left out is not sold. */
  percent: { regional: number; global?: number; gov?: number };
  /** `aws`: AWS's own pages; `third-party`: several agree; `presumed`: the maker's list and AWS's usual rule. */
  basis: "aws" | "third-party" | "presumed";
}

export interface CatalogueRow {
  /** The bare name, in lower case. */
  name: string;
  /** Other bare names people write. */
  aliases?: readonly string[];
  mantle?: {
    id: string;
    /** Which family of paths serves the model there. */
    path: "/openai/v1" | "/v1";
    /** Left out: every Mantle region. */
    regions?: readonly string[];
  };
  runtime?: {
    id: string;
    /** Profile prefixes without the dot; empty when the model is called by its own id. */
    profiles: readonly string[];
  };
  contextWindow: number;
  maxOutput: number;
  patchTool: "custom" | "function";
  efforts: readonly string[];
  defaultEffort?: string;
  parallelTools: boolean;
  verbosity: boolean;
  /** Oldest first. */
  prices: readonly PriceRow[];
}

/** What Codex takes when no model is configured. */
export const DEFAULT_MODEL = "openai.gpt-6.1-sol";

/** Dollars per million tokens as nano-dollars per token. */
const usd = (input: number, cacheWrite: number, cacheRead: number, output: number): TokenPrice => ({
  input: Math.round(input * 1000),
  cacheWrite: Math.round(cacheWrite * 1000),
  cacheRead: Math.round(cacheRead * 1000),
  output: Math.round(output * 1000),
});

/** Above 272K input tokens the whole request costs twice the input and one and a half times the output. */
const long = (list: TokenPrice): { above: number; list: TokenPrice } => ({
  above: 272_000,
  list: {
    input: list.input * 2,
    cacheWrite: list.cacheWrite * 2,
    cacheRead: list.cacheRead * 2,
    output: list.output * 1.5,
  },
});

const FRONTIER_PERCENT = { regional: 110, global: 100, gov: 120 } as const;
const US_EAST = ["us-east-1", "us-east-2"] as const;
const US = ["us-east-1", "us-east-2", "us-west-2"] as const;
const US_AND_GOV = [...US, "us-gov-west-1"] as const;
const EFFORTS = ["low", "medium", "high", "xhigh"] as const;

/** What the GPT-5.6 and GPT-6 families have in common. */
function frontier(
  name: string,
  facts: {
    regions: readonly string[];
    defaultEffort: string;
    list: TokenPrice;
    from: string;
    basis: PriceRow["basis"];
    profiles?: readonly string[];
    contextWindow?: number;
  },
): CatalogueRow {
  return {
    name,
    mantle: { id: `openai.${name}`, path: "/openai/v1", regions: facts.regions },
    runtime: { id: `openai.${name}`, profiles: facts.profiles ?? ["us", "global"] },
    contextWindow: facts.contextWindow ?? 1_000_000,
    maxOutput: 128_000,
    patchTool: "custom",
    efforts: [...EFFORTS, "max"],
    defaultEffort: facts.defaultEffort,
    parallelTools: true,
    verbosity: true,
    prices: [
      {
        from: facts.from,
        list: facts.list,
        longContext: long(facts.list),
        percent: FRONTIER_PERCENT,
        basis: facts.basis,
      },
    ],
  };
}

/** GPT-5.4 and 5.5: a 272K window, no fee for cache writes, only on Mantle. */
function gpt5(name: string, regions: readonly string[], list: TokenPrice): CatalogueRow {
  return {
    name,
    mantle: { id: `openai.${name}`, path: "/openai/v1", regions },
    contextWindow: 272_000,
    maxOutput: 128_000,
    patchTool: "custom",
    efforts: EFFORTS,
    defaultEffort: "medium",
    parallelTools: true,
    verbosity: true,
    prices: [{ from: "2026-04-01", list, percent: { regional: 110, gov: 120 }, basis: "aws" }],
  };
}

function openWeight(name: string, runtimeId: string, list: TokenPrice): CatalogueRow {
  return {
    name,
    mantle: { id: `openai.${name}`, path: "/v1" },
    runtime: { id: runtimeId, profiles: [] },
    contextWindow: 128_000,
    maxOutput: 16_000,
    patchTool: "function",
    efforts: ["low", "medium", "high"],
    defaultEffort: "medium",
    parallelTools: false,
    verbosity: false,
    prices: [{ from: "2025-08-01", list, percent: { regional: 100, gov: 120 }, basis: "third-party" }],
  };
}

export const MODELS: readonly CatalogueRow[] = [
  frontier("gpt-6.1-sol", {
    regions: US_EAST,
    defaultEffort: "low",
    list: usd(2, 2.5, 0.2, 10),
    from: "2026-10-01",
    basis: "presumed",
  }),
  frontier("gpt-6.1-terra", {
    regions: US,
    defaultEffort: "low",
    list: usd(1, 1.25, 0.05, 5),
    from: "2026-10-01",
    basis: "presumed",
  }),
  frontier("gpt-6-astra", {
    regions: ["us-east-1", "us-west-2"],
    defaultEffort: "low",
    list: usd(10, 12.5, 1, 50),
    from: "2026-09-01",
    basis: "aws",
    contextWindow: 1_050_000,
  }),
  frontier("gpt-6-sol", {
    regions: US,
    defaultEffort: "medium",
    list: usd(2, 2.5, 0.2, 10),
    from: "2026-09-22",
    basis: "presumed",
  }),
  frontier("gpt-6-luna", {
    regions: US,
    defaultEffort: "medium",
    list: usd(0.1, 0.125, 0.01, 0.5),
    from: "2026-09-22",
    basis: "presumed",
  }),
  frontier("gpt-5.6-sol", {
    regions: US_EAST,
    defaultEffort: "low",
    list: usd(4, 5, 0.4, 20),
    from: "2026-09-01",
    basis: "aws",
  }),
  frontier("gpt-5.6-terra", {
    regions: US_AND_GOV,
    defaultEffort: "medium",
    list: usd(2, 2.5, 0.2, 12),
    from: "2026-09-01",
    basis: "aws",
    profiles: ["us", "us-gov", "global"],
  }),
  frontier("gpt-5.6-luna", {
    regions: US_AND_GOV,
    defaultEffort: "medium",
    list: usd(0.2, 0.25, 0.02, 1.2),
    from: "2026-09-01",
    basis: "aws",
    profiles: ["us", "us-gov", "global"],
  }),
  gpt5("gpt-5.5", US_EAST, usd(5, 5, 0.5, 30)),
  gpt5("gpt-5.4", US, usd(2.5, 2.5, 0.25, 15)),
  openWeight("gpt-oss-120b", "openai.gpt-oss-120b-1:0", usd(0.15, 0.15, 0.15, 0.6)),
  openWeight("gpt-oss-20b", "openai.gpt-oss-20b-1:0", usd(0.07, 0.07, 0.07, 0.3)),
  openWeight("gpt-oss-safeguard-120b", "openai.gpt-oss-safeguard-120b", usd(0.15, 0.15, 0.15, 0.6)),
  openWeight("gpt-oss-safeguard-20b", "openai.gpt-oss-safeguard-20b", usd(0.07, 0.07, 0.07, 0.3)),
];
