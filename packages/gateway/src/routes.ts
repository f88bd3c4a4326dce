/** The route table: what is served where, and which IAM action it takes. What is not in it does not exist. */

import { MohoError } from "@moho/protocol";

/** How errors are written: every route belongs to one family. */
export type Family = "openai";

export type Operation = "CreateInference" | "ListModels" | "GetModel" | "Health" | "Ready";

export interface Route {
  method: "GET" | "POST";
  /** Exact, or ending in `/{id}` for one last segment. */
  path: string;
  operation: Operation;
  family: Family;
  /** `undefined` only for what may be seen without credentials. */
  action: string | undefined;
  /** Where the call continues below the upstream's base. */
  upstreamPath?: string;
}

const route = (
  method: Route["method"],
  path: string,
  operation: Operation,
  upstreamPath?: string,
): Route => ({
  method,
  path,
  operation,
  family: "openai",
  action: `bedrock-mantle:${operation}`,
  ...(upstreamPath !== undefined && { upstreamPath }),
});
const open = (path: string, operation: Operation): Route => ({
  method: "GET",
  path,
  operation,
  family: "openai",
  action: undefined,
});

export const ROUTES: readonly Route[] = [
  route("POST", "/openai/v1/responses", "CreateInference", "/responses"),
  route("POST", "/v1/responses", "CreateInference", "/responses"),
  route("GET", "/v1/models", "ListModels"),
  route("GET", "/openai/v1/models", "ListModels"),
  route("GET", "/v1/models/{id}", "GetModel"),
  route("GET", "/openai/v1/models/{id}", "GetModel"),
  open("/healthz", "Health"),
  open("/readyz", "Ready"),
];

const PARAMETER = "{id}";
const EXACT = new Map<string, Route[]>();
/** By what comes before the parameter. */
const UNDER = new Map<string, Route[]>();
for (const row of ROUTES) {
  const [table, key] = row.path.endsWith(PARAMETER)
    ? [UNDER, row.path.slice(0, -PARAMETER.length)]
    : [EXACT, row.path];
  table.set(key, [...(table.get(key) ?? []), row]);
}

export interface RouteMatch {
  route: Route;
  /** The last segment, decoded once, of a path with `{id}`. */
  id: string | undefined;
}

/** Throws `not_found`, or `method_not_allowed` with the methods in `details.allow`. */
export function matchRoute(method: string, target: string): RouteMatch {
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  const exact = EXACT.get(path);
  if (exact) return { route: choose(exact, method), id: undefined };
  const slash = path.lastIndexOf("/") + 1;
  const rows = UNDER.get(path.slice(0, slash));
  const id = decodeSegment(path.slice(slash));
  if (!rows || !id) throw new MohoError("not_found", "There is nothing at this path.");
  return { route: choose(rows, method), id };
}

function choose(rows: readonly Route[], method: string): Route {
  const wanted = method === "HEAD" ? "GET" : method;
  const found = rows.find((row) => row.method === wanted);
  if (found) return found;
  const allow = rows.map((row) => (row.method === "GET" ? "GET, HEAD" : row.method)).join(", ");
  throw new MohoError("method_not_allowed", `${rows[0]!.path} takes only ${allow}.`, { details: { allow } });
}

/** `undefined` for an escape beyond ASCII or one that does not decode: no id has one. */
function decodeSegment(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  return /^(?:[^%]|%[0-7][0-9a-f])*$/i.test(segment) ? decodeURIComponent(segment) : undefined;
}
