/**
 * Money is an integer of nano-dollars (1e-9 USD), so that sums are exact: the cheapest price on Bedrock,
 * $0.02 per million tokens, is 20 nano-dollars a token. A number holds up to nine million dollars exactly.
 */

import type { Usage } from "./usage.ts";

/** An integer number of nano-dollars. */
export type NanoUsd = number;

export const NANO_PER_USD = 1_000_000_000;

/** Nano-dollars per token of each bucket; numerically equal to thousandths of a dollar per million tokens. */
export interface TokenPrice {
  input: NanoUsd;
  cacheRead: NanoUsd;
  cacheWrite: NanoUsd;
  output: NanoUsd;
}

/** A model's price; above `longContext.above` input tokens the whole call costs `longContext.price`. */
export interface ModelPrice extends TokenPrice {
  longContext?: { above: number; price: TokenPrice };
}

/** The exact cost of `usage`: reasoning is charged as output. Rounded up to a whole nano-dollar. */
export function costOf(usage: Readonly<Usage>, price: Readonly<ModelPrice>): NanoUsd {
  const long = price.longContext;
  const rate: TokenPrice =
    long && usage.input + usage.cacheRead + usage.cacheWrite > long.above ? long.price : price;
  return Math.ceil(
    usage.input * rate.input +
      usage.cacheRead * rate.cacheRead +
      usage.cacheWrite * rate.cacheWrite +
      (usage.output + usage.reasoning) * rate.output,
  );
}

export function usdToNano(usd: number): NanoUsd {
  return Math.round(usd * NANO_PER_USD);
}

/** `$0.0123`: four decimals below ten cents, else two; never "-$0.00". */
export function formatUsd(nano: NanoUsd): string {
  const usd = nano / NANO_PER_USD;
  const digits = Math.abs(usd) > 0 && Math.abs(usd) < 0.1 ? 4 : 2;
  return `$${usd.toFixed(digits)}`;
}
