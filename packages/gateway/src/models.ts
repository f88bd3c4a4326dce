/** ListModels and GetModel. */

import { toMohoError } from "@moho/protocol";
import { openCall } from "./call.ts";
import type { Exchange } from "./http/exchange.ts";
import type { Parts } from "./parts.ts";
import type { Route } from "./routes.ts";
import { unknownModel } from "./routing.ts";
import { finish, permit, receive, refuse } from "./steps.ts";

/** Answers the exchange: governed and recorded like any call. Never rejects. */
export async function listModels(
  parts: Parts,
  exchange: Exchange,
  route: Route,
  id: string | undefined,
): Promise<void> {
  const call = openCall(exchange, route, parts.deps.clock());
  try {
    await receive(parts, exchange, call);
    await permit(parts, exchange, call);
    const ids = await parts.served.ids();
    exchange.answer(200, { "content-type": "application/json" }, JSON.stringify(bodyOf(ids, id, parts)));
  } catch (error) {
    call.error = toMohoError(error);
    refuse(parts, exchange, call);
  } finally {
    await finish(parts, exchange, call);
  }
}

function bodyOf(ids: readonly string[], id: string | undefined, parts: Parts): unknown {
  if (id === undefined) return { object: "list", data: ids.map(modelOf) };
  if (parts.routing.find(id) === undefined) throw unknownModel(id, ids);
  return modelOf(id);
}

/** OpenAI's model object. Nobody knows when a model was made, or says so. */
function modelOf(id: string) {
  return {
    id,
    object: "model",
    created: 0,
    owned_by: id.includes(".") ? id.slice(0, id.indexOf(".")) : "system",
  };
}
