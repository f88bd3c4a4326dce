/** What a call really cost once it ended, however it ended. Pure. */

import { costOf, totalTokens } from "@moho/protocol";
import type { Settlement } from "@moho/store";
import { BYTES_PER_TOKEN } from "./admission.ts";
import type { Call, Reservation } from "./call.ts";

/** Reasoning stays hidden until the usage arrives: the speed of a fast model stands in for what was not seen. */
const HIDDEN_TOKENS_PER_SECOND = 100;

/** More than any call can have: a report of more is no report. */
const MOST_TOKENS = 1e9;

const NOTHING: Settlement = { amount: 0, usage: undefined, quality: "final" };

/**
 * The settlement of a reservation. `endedAt` in epoch milliseconds.
 * - The upstream reported usage: exactly that, `final`.
 * - It refused, could not be reached, or failed before any output: nothing, `final`.
 * - Otherwise (the client cut, the upstream died) an estimate that is never zero for a priced model, `estimated`:
 *   the input at a token for three bytes (the whole window where the body does not show it) at its dearest rate,
 *   and as output what was seen at a token for three characters, or a hundred tokens a second if that is more.
 *   Never more than was reserved.
 */
export function settlementOf(call: Call, reservation: Reservation, endedAt: number): Settlement {
  const usage = call.tap?.reading.usage;
  if (usage !== undefined && totalTokens(usage) <= MOST_TOKENS) {
    const amount = reservation.price === undefined ? 0 : costOf(usage, reservation.price);
    return { amount, usage, quality: "final" };
  }
  if (call.sentAt === undefined || !mayHaveWorked(call)) return NOTHING;
  const { worst } = reservation;
  const input = worst.likelyInputTokens;
  const seen = Math.ceil((call.tap?.reading.outputCharacters ?? 0) / BYTES_PER_TOKEN);
  const hidden = Math.ceil(((endedAt - call.sentAt) / 1000) * HIDDEN_TOKENS_PER_SECOND);
  const output = Math.min(worst.outputTokens, Math.max(1, seen, hidden));
  const amount = Math.ceil(input * worst.inputRate + output * worst.outputRate);
  return {
    amount: Math.min(amount, reservation.amount),
    usage: { input, cacheRead: 0, cacheWrite: 0, output, reasoning: 0 },
    quality: "estimated",
  };
}

/** Could the upstream have spent anything on a call that was sent and has no usage? */
function mayHaveWorked({ answer, error, tap }: Call): boolean {
  if (answer === undefined) return error?.code === "interrupted" || error?.code === "upstream_timeout";
  if (answer.status >= 300) return false;
  const reading = tap?.reading;
  return reading?.failure === undefined || reading.outputCharacters > 0;
}
