/**
 * What a translation did to a request. The rule is *no silent loss* (need WIRE-2): each item, tool and setting is passed,
 * rewritten or dropped with a {@link Note}, or refused by name and place.
 *
 * Settings that the Responses API lacks travel in the hub request under Chat's names: `stop` (a list), `top_k`, `seed`,
 * `frequency_penalty`, `presence_penalty`, `logit_bias`. A prompt-cache breakpoint is `prompt_cache_breakpoint:
 * {mode: "explicit", ttl?}` on a content part, an item or a tool.
 */

import { type Item, MohoError, type ResponsesRequest } from "@moho/protocol";

export interface Note {
  /** Which translation: the client's body to the hub, or the hub to the upstream's body. */
  leg: "client" | "upstream";
  /** An item, part or tool type, or the name of a setting. */
  kind: string;
  /** Place in `input` (client leg: in the client's own list) or in `tools`; `undefined` for a setting. */
  index: number | undefined;
  what: "rewritten" | "dropped";
  why: string;
}

/** An item or tool that cannot be expressed, by type and place. */
export function unsupportedItem(kind: string, index: number | undefined, why: string): MohoError {
  const place = index === undefined ? "" : ` at index ${index}`;
  return new MohoError("unsupported_item", `\`${kind}\`${place} cannot be passed on: ${why}.`, {
    details: { kind, ...(index !== undefined && { index }) },
  });
}

/** A body that is not what its dialect allows; `path` is a JSON path such as `messages[2].content`. */
export function invalidAt(path: string, problem: string): MohoError {
  return new MohoError("invalid_request", `\`${path}\` ${problem}.`, { details: { param: path } });
}

/** What every `request-in.ts` makes of a client's body. */
export interface HubRequest {
  request: ResponsesRequest;
  notes: Note[];
}

/** An item of an answer that the client's dialect cannot show. */
export function droppedItem(item: Item, index: number, why: string): Note {
  return { leg: "client", kind: item.type, index, what: "dropped", why };
}
