/** Which upstream serves a model: an exact id first, then the first pattern that matches. */

import { MohoError } from "@moho/protocol";
import { nearest } from "@moho/wire";
import type { ModelRoute } from "./settings.ts";

export interface Target {
  upstream: string;
  /** The id to send upstream. */
  model: string;
}

export interface Routing {
  find(model: string): Target | undefined;
  /** The ids that are named exactly. */
  exact: readonly string[];
}

export function createRouting(routes: readonly ModelRoute[]): Routing {
  const exact = new Map<string, Target>();
  const patterns: { test: (model: string) => boolean; route: ModelRoute }[] = [];
  for (const route of routes) {
    if (route.model.includes("*")) patterns.push({ test: matcher([route.model]), route });
    else if (!exact.has(route.model)) {
      exact.set(route.model, { upstream: route.upstream, model: route.upstreamModel ?? route.model });
    }
  }
  return {
    exact: [...exact.keys()],
    find(model) {
      const named = exact.get(model);
      if (named) return named;
      const route = patterns.find((pattern) => pattern.test(model))?.route;
      return route && { upstream: route.upstream, model: route.upstreamModel ?? model };
    },
  };
}

/** Does a text match one of the patterns? `*` stands for any run of characters, everything else for itself. */
export function matcher(patterns: readonly string[]): (text: string) => boolean {
  if (patterns.length === 0) return () => false;
  const parts = patterns.map((pattern) => pattern.split("*"));
  return (text) => parts.some((pieces) => matches(pieces, text));
}

/** Linear: each piece is looked for once, from where the one before it ended. */
function matches(pieces: readonly string[], text: string): boolean {
  const first = pieces[0]!;
  const last = pieces[pieces.length - 1]!;
  if (pieces.length === 1) return text === first;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length)
    return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= text.length - last.length;
}

/** The refusal of a model nobody serves, with the nearest ids that are served. */
export function unknownModel(model: string, served: readonly string[]): MohoError {
  const shown = model.length > 100 ? `${model.slice(0, 100)}…` : model;
  const near = nearest(model, served);
  const hint = near.length > 0 ? ` Nearest: ${near.join(", ")}.` : "";
  return new MohoError("unknown_model", `The model "${shown}" does not exist here.${hint}`, {
    details: { model: shown, nearest: near },
  });
}
