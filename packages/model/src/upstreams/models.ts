/** Asks an upstream for its list of models, `GET …/models`. */

import { MohoError } from "@moho/protocol";
import { explainUpstreamError } from "@moho/wire";
import type { HttpResponse, UpstreamCall } from "../ports.ts";
import { readBounded } from "./authorized.ts";

const MAX_LIST_BYTES = 8 * 1024 * 1024;

/** `model` is one whose family of paths the list belongs to. `undefined` when the upstream has no such list. */
export async function listModels(
  send: (call: UpstreamCall) => Promise<HttpResponse>,
  model: string,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  const answer = await send({
    dialect: "responses",
    model,
    path: "/models",
    method: "GET",
    headers: { accept: "application/json" },
    body: undefined,
    stream: false,
    signal,
  });
  const body = await readBounded(answer.body, MAX_LIST_BYTES);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200)
    throw explainUpstreamError({
      status: answer.status,
      headers: answer.headers,
      body,
      context: { endpoint: "The list of models" },
    });
  return idsIn(body.toString("utf8"));
}

function idsIn(text: string): string[] {
  const list = parse(text) as { data?: unknown };
  const rows: unknown[] = Array.isArray(list?.data) ? list.data : [];
  return rows.flatMap((row) => {
    const id = (row as { id?: unknown } | null)?.id;
    return typeof id === "string" ? [id] : [];
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MohoError("upstream_error", "The upstream's list of models is not JSON.", { cause });
  }
}
