/** Whether a failed try is followed by another, and after how long. Decided from the error's row and nothing else. */

import { type Item, isToolCall, type MohoError } from "@moho/protocol";

export interface RetryLimits {
  /** Further tries after failures before an answer began; Codex's `request_max_retries`. */
  request: number;
  /** Further tries after an answer broke off; Codex's `stream_max_retries`. */
  stream: number;
}

export const DEFAULT_RETRIES: Readonly<RetryLimits> = { request: 4, stream: 5 };

/** Tries so far that failed, by kind. */
export interface Failures {
  request: number;
  stream: number;
}

export type Verdict = { next: "retry"; waitMs: number } | { next: "fail" };

const FIRST_WAIT_MS = 250;
/** Quotas are counted by the minute: a quick second try only meets the same refusal. */
const FIRST_WAIT_THROTTLED_MS = 2_000;
const LONGEST_WAIT_MS = 30_000;
/** A server that wants more patience than this gets its answer shown to the user. */
const LONGEST_REQUESTED_WAIT_MS = 120_000;

/** `delivered` are the items of this call that the caller has; `failures` counts this one. `random` is in [0, 1). */
export function afterFailure(
  error: MohoError,
  delivered: readonly Item[],
  failures: Readonly<Failures>,
  limits: Readonly<RetryLimits>,
  random: number,
): Verdict {
  if (!error.retryable) return { next: "fail" };
  // A call may act only when its answer completed, and no answer goes on from a call without output: the caller decides.
  if (delivered.some(isToolCall)) return { next: "fail" };
  if (failures.request > limits.request || failures.stream > limits.stream) return { next: "fail" };
  if (error.details?.["stale"] === true && failures.request === 1) return { next: "retry", waitMs: 0 };
  if (error.retryAfter === undefined) return { next: "retry", waitMs: ownWait(error, failures, random) };
  const waitMs = Math.ceil(error.retryAfter * 1000);
  return waitMs > LONGEST_REQUESTED_WAIT_MS ? { next: "fail" } : { next: "retry", waitMs };
}

/** Doubles each time; somewhere between half of that and all of it, so that many clients do not come back together. */
function ownWait(error: MohoError, failures: Readonly<Failures>, random: number): number {
  const slow = error.category === "throttled" || error.category === "overloaded";
  const first = slow ? FIRST_WAIT_THROTTLED_MS : FIRST_WAIT_MS;
  const whole = Math.min(LONGEST_WAIT_MS, first * 2 ** (failures.request + failures.stream - 1));
  return Math.round(whole * (0.5 + random / 2));
}
