/** What a turn may spend: model calls, money and the model's window, checked before each request. */

import type { ModelInfo } from "@moho/model";
import {
  addUsage,
  costOf,
  formatUsd,
  inputTokens,
  MohoError,
  type NanoUsd,
  NO_USAGE,
  outputTokens,
  type TurnUsage,
  type Usage,
} from "@moho/protocol";

export interface Limits {
  maxCost?: NanoUsd;
  /** Model calls. */
  maxTurns?: number;
  timeoutMs?: number;
}

/** An answer shorter than this is of no use. */
const LEAST_OUTPUT = 256;

export interface Meter {
  /**
   * Before a request of about `input` tokens. Throws the limit that stops it: `turn_limit_reached`,
   * `context_overflow`, `cost_limit_reached` when its worst case does not fit what is left, or `model_not_priced`
   * when money is limited and the price unknown. Returns the most output tokens that the money allows, when that
   * is less than the model's own limit.
   */
  admit(input: number): number | undefined;
  /** Before another try of a call whose broken tries used `spent`: the cost limit, when it stops the try. */
  admitRetry(spent: Usage | undefined, input: number): MohoError | undefined;
  spend(usage: Usage): void;
  readonly usage: Usage;
  /** `undefined` when the model has no known price. */
  readonly cost: NanoUsd | undefined;
}

export function createMeter(info: ModelInfo, { maxCost, maxTurns }: Limits): Meter {
  const { price } = info;
  let usage: Usage = NO_USAGE;
  let cost = 0;
  let calls = 0;
  return {
    admit(input) {
      if (maxTurns !== undefined && calls >= maxTurns)
        throw new MohoError("turn_limit_reached", `The turn used its ${maxTurns} model calls.`);
      if (input + LEAST_OUTPUT > info.contextWindow)
        throw new MohoError(
          "context_overflow",
          `The next request needs about ${input} tokens; the window of ${info.id} holds ${info.contextWindow}.`,
          { next: "Start a new thread, and hand it what matters of this one." },
        );
      const room = maxCost === undefined ? undefined : roomFor(info, input, maxCost, cost);
      if (room && room.output < 0) throw costLimit(info, room, maxCost!, cost);
      calls++;
      return room && room.output < info.maxOutput ? room.output : undefined;
    },
    admitRetry(spent, input) {
      if (maxCost === undefined || !price || !spent) return undefined;
      const before = cost + costOf(spent, price);
      const room = roomFor(info, input, maxCost, before);
      return room.output < 0 ? costLimit(info, room, maxCost, before) : undefined;
    },
    spend(more) {
      usage = addUsage(usage, more);
      if (price) cost += costOf(more, price);
    },
    get usage() {
      return usage;
    },
    get cost() {
      return price && cost;
    },
  };
}

interface Room {
  /** What the next call costs at least, its input charged at its dearest. */
  least: NanoUsd;
  /** Output tokens that `maxCost` leaves for it; below 0 when not even the least fits. */
  output: number;
}

function roomFor({ price, id }: ModelInfo, input: number, maxCost: NanoUsd, spent: NanoUsd): Room {
  if (!price)
    throw new MohoError("model_not_priced", `A cost limit is set, but the price of ${id} is unknown.`, {
      next: "Add the model's price to the configuration, or run without `--max-cost`.",
    });
  const worst = Math.max(
    costOf({ ...NO_USAGE, input }, price),
    costOf({ ...NO_USAGE, cacheWrite: input }, price),
  );
  const { longContext } = price;
  const rate = (longContext && input > longContext.above ? longContext.price : price).output;
  const least = worst + LEAST_OUTPUT * rate;
  if (spent + least > maxCost) return { least, output: -1 };
  return { least, output: rate === 0 ? Infinity : Math.floor((maxCost - spent - worst) / rate) };
}

function costLimit({ id }: ModelInfo, room: Room, maxCost: NanoUsd, spent: NanoUsd): MohoError {
  return new MohoError(
    "cost_limit_reached",
    `The turn spent ${formatUsd(spent)} of ${formatUsd(maxCost)}; the next call to ${id} may need ` +
      `${formatUsd(room.least)} or more.`,
  );
}

/** A meter's sums in the words of the turn's last event. */
export function turnUsage({ usage, cost }: Pick<Meter, "usage" | "cost">): TurnUsage {
  return {
    input_tokens: inputTokens(usage),
    cached_input_tokens: usage.cacheRead,
    cache_write_input_tokens: usage.cacheWrite,
    output_tokens: outputTokens(usage),
    reasoning_output_tokens: usage.reasoning,
    ...(cost !== undefined && { cost_usd: cost / 1e9 }),
  };
}
