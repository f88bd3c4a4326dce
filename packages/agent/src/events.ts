/** A stream of events that a running function fills: it ends when the function does, and never throws of itself. */

import { MohoError } from "@moho/protocol";

/**
 * Starts `drive` at the first read. Leaving the stream early aborts the signal that `drive` got, and waits for it.
 * `drive` reports its failures as events.
 */
export async function* eventStream<E>(
  outer: AbortSignal,
  drive: (emit: (event: E) => void, signal: AbortSignal) => Promise<void>,
): AsyncGenerator<E, void, undefined> {
  let waiting: E[] = [];
  let wake = () => {};
  let ended = false;
  const left = new AbortController();
  const emit = (event: E) => {
    waiting.push(event);
    wake();
  };
  const running = drive(emit, AbortSignal.any([outer, left.signal])).finally(() => {
    ended = true;
    wake();
  });
  try {
    while (!ended || waiting.length > 0) {
      const ready = waiting;
      waiting = [];
      yield* ready;
      if (!ended && waiting.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    left.abort(new MohoError("interrupted", "The turn's events are no longer read."));
    await running;
  }
}
