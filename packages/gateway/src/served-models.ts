/** The ids of the models that are served: for lists, and to name the nearest ones to whoever asks for another. */

import type { Upstream } from "@moho/model";
import type { Routing } from "./routing.ts";

/** Milliseconds for which an upstream's list is believed, and which it may take to answer. */
const LIST_LIFE_MS = 60_000;
const LIST_WAIT_MS = 3_000;

export interface ServedModels {
  /** Ids that clients may use: those named exactly, and those that upstreams list behind a pattern. */
  ids(): Promise<readonly string[]>;
}

export function createServedModels(
  routing: Routing,
  upstreams: ReadonlyMap<string, Upstream>,
  clock: () => number,
): ServedModels {
  let known: Promise<readonly string[]> | undefined;
  let until = 0;
  const ask = async () => {
    const ids = new Set(routing.exact);
    const lists = [...upstreams].map(async ([name, upstream]) => {
      for (const id of (await upstream.models(AbortSignal.timeout(LIST_WAIT_MS))) ?? []) {
        if (routing.find(id)?.upstream === name) ids.add(id);
      }
    });
    await Promise.allSettled(lists);
    return [...ids].sort();
  };
  return {
    ids() {
      if (known === undefined || clock() >= until) {
        known = ask();
        until = clock() + LIST_LIFE_MS;
      }
      return known;
    },
  };
}
