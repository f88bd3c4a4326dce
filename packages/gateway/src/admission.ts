/** The most a call can cost, and the decision to let it in: priced, bounded, clamped or refused. All of it pure. */

import { isAscii } from "node:buffer";
import { formatUsd, type ModelPrice, MohoError, type NanoUsd, type TokenPrice } from "@moho/protocol";
import type { BudgetState } from "@moho/store";
import type { ResponsesPeek } from "@moho/wire";

/** What is known of a model: `price` is `undefined` when nobody set one. */
export interface ModelFacts {
  price: ModelPrice | undefined;
  contextWindow: number;
  maxOutput: number;
}

/** What of a request bounds its cost. */
export interface Ask {
  /** Input tokens, where the request shows all of its input; otherwise the model's window is the bound. */
  inputTokens: number | undefined;
  /** `max_output_tokens`. */
  outputTokens: number | undefined;
  /** Input tokens to assume when the usage never arrives, where the request shows what is likely. */
  likelyInputTokens: number | undefined;
  /** Types of the tools that the upstream runs. */
  hostedTools: readonly string[];
  serviceTier: string | undefined;
}

export interface WorstCase {
  inputTokens: number;
  /** Input tokens to assume when the usage never arrives. */
  likelyInputTokens: number;
  outputTokens: number;
  /** Nano-dollars a token, the dearest that could apply. */
  inputRate: NanoUsd;
  outputRate: NanoUsd;
  /** Nano-dollars of all input and all output. */
  amount: NanoUsd;
  /** Nano-dollars of all input and the least useful output. */
  least: NanoUsd;
}

/** Mantle's minimum for `max_output_tokens` (aws-wire §1.3): fewer tokens are of no use to anybody. */
export const LEAST_OUTPUT_TOKENS = 16;

/** More than the largest image is counted as by any model on Bedrock, however few bytes it has. */
const TOKENS_PER_IMAGE = 16_384;

/** Text and JSON run at about four bytes a token; three errs on the safe side. */
export const BYTES_PER_TOKEN = 3;

/** Hosted tools that Bedrock serves: their tokens are in the usage. A fee for each call of any other has no price here. */
const SERVED_TOOLS =
  /^(web_search(_preview)?(_\d{4}_\d\d_\d\d)?|mcp|shell|local_shell|apply_patch|notes|tasks)$/;

/** Tiers that cost the table's price or less; the others cost more than any price known here. */
const PRICED_TIERS = new Set(["auto", "default", "standard", "flex"]);

/** A call of a free model, which is counted but costs nothing. */
export const FREE: Readonly<WorstCase> = Object.freeze({
  inputTokens: 0,
  likelyInputTokens: 0,
  outputTokens: 0,
  inputRate: 0,
  outputRate: 0,
  amount: 0,
  least: 0,
});

/**
 * What the request asks for. A token is at least one byte, so the body bounds the input, except for images, which
 * are counted apart, for what the body only refers to (stored responses, conversations, prompts, items, files), and
 * for what hosted tools bring.
 */
export function askOf(peek: ResponsesPeek, body: Buffer): Ask {
  const { input, hostedTools } = peek;
  const elsewhere =
    peek.previousResponseId !== undefined ||
    peek.conversation ||
    peek.prompt ||
    input.file > 0 ||
    input.itemReference > 0 ||
    input.unknown;
  const images = input.image * TOKENS_PER_IMAGE;
  return {
    inputTokens: elsewhere || hostedTools.length > 0 ? undefined : body.length + images,
    likelyInputTokens: elsewhere ? undefined : likelyTokens(body) + images,
    outputTokens: peek.maxOutputTokens,
    hostedTools,
    serviceTier: peek.serviceTier,
  };
}

/** Text at three bytes a token; a character beyond ASCII is one at least. */
function likelyTokens(body: Buffer): number {
  if (isAscii(body)) return Math.ceil(body.length / BYTES_PER_TOKEN);
  let ascii = 0;
  let wide = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]!;
    if (byte < 0x80) ascii++;
    else if (byte >= 0xc0) wide++;
  }
  return Math.ceil(ascii / BYTES_PER_TOKEN) + wide;
}

/**
 * The most a call can cost, at the dearest rates that could apply. Throws `model_not_priced` rather than count an unknown price as nothing.
 */
export function worstCase(model: string, ask: Ask, facts: ModelFacts | undefined): WorstCase {
  if (facts?.price === undefined) {
    throw new MohoError("model_not_priced", `The model "${model}" has no price, so no budget can hold it.`);
  }
  if (ask.serviceTier !== undefined && !PRICED_TIERS.has(ask.serviceTier)) {
    throw new MohoError(
      "model_not_priced",
      `The service tier "${ask.serviceTier.slice(0, 40)}" of the model "${model}" has no price.`,
    );
  }
  const unpriced = ask.hostedTools.find((type) => !SERVED_TOOLS.test(type));
  if (unpriced !== undefined) {
    throw new MohoError(
      "model_not_priced",
      `Calls of the hosted tool "${unpriced.slice(0, 40)}" have no price.`,
    );
  }
  const inputTokens = Math.min(ask.inputTokens ?? facts.contextWindow, facts.contextWindow);
  const outputTokens = Math.min(ask.outputTokens ?? facts.maxOutput, facts.maxOutput);
  const rates = dearest(facts.price, inputTokens);
  const inputRate = Math.max(rates.input, rates.cacheWrite, rates.cacheRead);
  const input = inputTokens * inputRate;
  return {
    inputTokens,
    likelyInputTokens: Math.min(ask.likelyInputTokens ?? inputTokens, inputTokens),
    outputTokens,
    inputRate,
    outputRate: rates.output,
    amount: Math.ceil(input + outputTokens * rates.output),
    least: Math.ceil(input + Math.min(outputTokens, LEAST_OUTPUT_TOKENS) * rates.output),
  };
}

/** Per bucket the dearer of the two prices when the input may be long. */
function dearest(price: ModelPrice, inputTokens: number): TokenPrice {
  const long = price.longContext;
  if (long === undefined || inputTokens <= long.above) return price;
  return {
    input: Math.max(price.input, long.price.input),
    cacheRead: Math.max(price.cacheRead, long.price.cacheRead),
    cacheWrite: Math.max(price.cacheWrite, long.price.cacheWrite),
    output: Math.max(price.output, long.price.output),
  };
}

/** How many output tokens a smaller reservation pays for. */
export function outputWithin(amount: NanoUsd, worst: WorstCase): number {
  if (worst.outputRate === 0) return worst.outputTokens;
  const left = amount - worst.inputTokens * worst.inputRate;
  return Math.min(worst.outputTokens, Math.floor(left / worst.outputRate));
}

/** The refusal that tells an agent to stop: what is left, until when, whom to ask. */
export function budgetExceeded(budget: BudgetState, remaining: NanoUsd, worst: WorstCase): MohoError {
  const until = budget.resetsAt === undefined ? "It does not reset." : `It resets at ${budget.resetsAt}.`;
  const owner = budget.owner === undefined ? "" : ` Its owner is ${budget.owner}.`;
  return new MohoError(
    "budget_exceeded",
    `The ${budget.period} budget "${budget.scope}" of ${formatUsd(budget.limit)} has ${formatUsd(remaining)} left; ` +
      `this request may cost ${formatUsd(worst.amount)}. ${until}${owner}`,
    {
      details: {
        scope: budget.scope,
        period: budget.period,
        limit_usd: budget.limit / 1e9,
        remaining_usd: remaining / 1e9,
        required_usd: worst.least / 1e9,
        ...(budget.resetsAt !== undefined && { resets_at: budget.resetsAt }),
        ...(budget.owner !== undefined && { owner: budget.owner }),
      },
    },
  );
}
