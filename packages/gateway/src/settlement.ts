/** What a call really cost once it ended, however it ended. Pure. */

import { costOf, type ErrorCode, totalTokens } from "@moho/protocol";
import type { Settlement } from "@moho/store";
import { BYTES_PER_TOKEN } from "./admission.ts";
import type { Call, Reservation } from "./call.ts";
import { nothingSent } from "./forward.ts";

/** Reasoning stays hidden until the usage arrives: the speed of a fast model stands in for what was not seen. */
const HIDDEN_TOKENS_PER_SECOND = 100;

/** A failure that comes sooner than this, without any output, cost nothing. */
const QUICK_FAILURE_MS = 1_000;

/** More than any call can have: a report of more is no report. */
const MOST_TOKENS = 1e9;

const NOTHING: Settlement = { amount: 0, usage: undefined, quality: "final" };

/**
 * The settlement of a reservation. `endedAt` in epoch milliseconds.
 * - The upstream reported usage at the end: exactly that, `final`. A report of no tokens at all is none.
 * - Nothing was sent, the upstream refused, or failed at once and before any output: nothing, `final`.
 * - Otherwise (the client cut, the upstream died) an estimate that is never zero for a priced model, `estimated`:
 *   the input at a token for three bytes or for one character beyond ASCII (all that was reserved where the body does
 *   not show it, a hosted tool's findings included) at its dearest rate, and as output what was seen, counted the same
 *   way, or a hundred tokens a second if that is more. Never more than was reserved.
 */
export function settlementOf(call: Call, reservation: Reservation, endedAt: number): Settlement {
  const usage = call.tap?.reading.usage;
  const reported = usage === undefined ? 0 : totalTokens(usage);
  if (usage !== undefined && reported > 0 && reported <= MOST_TOKENS) {
    const amount = reservation.price === undefined ? 0 : costOf(usage, reservation.price);
    return { amount, usage, quality: "final" };
  }
  if (call.sentAt === undefined || !mayHaveWorked(call, endedAt - call.sentAt)) return NOTHING;
  const { worst } = reservation;
  const input = mayHaveSearched(call) ? worst.inputTokens : worst.likelyInputTokens;
  const { outputCharacters = 0, outputWide = 0 } = call.tap?.reading ?? {};
  const seen = Math.ceil((outputCharacters - outputWide) / BYTES_PER_TOKEN) + outputWide;
  const hidden = Math.ceil(((endedAt - call.sentAt) / 1000) * HIDDEN_TOKENS_PER_SECOND);
  const output = Math.min(worst.outputTokens, Math.max(1, seen, hidden));
  const amount = Math.ceil(input * worst.inputRate + output * worst.outputRate);
  return {
    amount: Math.min(amount, reservation.amount),
    usage: { input, cacheRead: 0, cacheWrite: 0, output, reasoning: 0 },
    quality: "estimated",
  };
}

/** Failures on the way to the upstream or at it, before its answer: it may have read the call. */
const LOST: ReadonlySet<ErrorCode> = new Set(["interrupted", "upstream_timeout", "upstream_unreachable"]);

/** Could the upstream have spent anything on a call that was sent `ms` ago and has no usage? */
function mayHaveWorked({ answer, error, tap }: Call, ms: number): boolean {
  if (answer === undefined) return error !== undefined && LOST.has(error.code) && !nothingSent(error);
  if (answer.status >= 300) return false;
  const reading = tap?.reading;
  return reading?.failure === undefined || reading.outputCharacters > 0 || ms >= QUICK_FAILURE_MS;
}

/** Could a hosted tool have brought input? A stream shows it; any other answer only at its end. */
function mayHaveSearched({ request, tap }: Call): boolean {
  if (request === undefined || request.hostedTools.length === 0) return false;
  return !request.stream || tap?.reading.hostedTool === true;
}
