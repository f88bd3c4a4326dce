/** The one signal that stops a turn: the caller's, the time limit's, or the turn's own failure. */

import { MohoError } from "@moho/protocol";

/** A longer timer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface StopSwitch {
  readonly signal: AbortSignal;
  abort(reason: MohoError): void;
  /** Ends the clock. */
  release(): void;
}

export function stopSwitch(outer: AbortSignal, timeoutMs: number | undefined): StopSwitch {
  const own = new AbortController();
  const late = () =>
    own.abort(new MohoError("time_limit_reached", `The turn took longer than ${timeoutMs! / 1000} s.`));
  const timer = timeoutMs === undefined ? undefined : setTimeout(late, Math.min(timeoutMs, LONGEST_TIMER_MS));
  return {
    signal: AbortSignal.any([outer, own.signal]),
    abort: (reason) => own.abort(reason),
    release: () => clearTimeout(timer),
  };
}

/** Why an aborted signal stopped the turn; `undefined` when it did not. */
export function stopReason(signal: AbortSignal): MohoError | undefined {
  if (!signal.aborted) return undefined;
  if (signal.reason instanceof MohoError) return signal.reason;
  return new MohoError("interrupted", "The turn was stopped.", { cause: signal.reason });
}
