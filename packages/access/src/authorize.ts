/** May they: the caller's identity policies against one action, and for bearer callers against `CallWithBearerToken` too. */

import { parseArn } from "@moho/aws";
import type { CompiledPolicy } from "./policy/compile.ts";
import { evaluate, type LayerKind } from "./policy/evaluate.ts";
import type { Lookup } from "./policy/pattern.ts";
import type { AccessRequest, ConditionContext, Decision, Principal } from "./ports.ts";

/** Namespaces whose callers by API key need a permission of their own (aws-wire §2.3). */
const BEARER_NAMESPACES = new Set(["bedrock", "bedrock-mantle"]);

/** Decides. `now` is in epoch milliseconds. Pure. */
export function decide(request: AccessRequest, policies: readonly CompiledPolicy[], now: number): Decision {
  const lookup = contextOf(request, now);
  const decisions = questionsOf(request).map(({ action, resource }) =>
    decideOne(request.principal, { action, resource, lookup }, policies),
  );
  const denied = decisions.filter((decision) => decision.effect === "deny");
  const decision = denied.find((one) => one.reason === "explicit-deny") ?? denied[0] ?? decisions.at(-1)!;
  if (decision.reason !== "implicit-deny") return decision;
  return { ...decision, minimalPolicy: minimalPolicy(denied, request.context) };
}

/** What has to be allowed, the operation itself last. */
function questionsOf({ principal, action, resource }: AccessRequest): { action: string; resource: string }[] {
  const questions = [{ action, resource }];
  const namespace = action.slice(0, action.indexOf(":"));
  const bearer = `${namespace}:CallWithBearerToken`;
  if (principal.credential !== "sigv4" && BEARER_NAMESPACES.has(namespace) && action !== bearer)
    questions.unshift({ action: bearer, resource: "*" });
  return questions;
}

function decideOne(
  principal: Principal,
  question: { action: string; resource: string; lookup: Lookup },
  policies: readonly CompiledPolicy[],
): Decision {
  const { action, resource } = question;
  const verdict = evaluate([{ kind: "identity-based policy", policies }], question);
  const { effect, reason, layer } = verdict;
  const message = `User: ${principal.arn} is ${effect === "allow" ? "" : "not "}authorized to perform: ${action} on resource: ${resource}${because(reason, layer, action)}`;
  if (reason === "implicit-deny") return { effect, reason, action, resource, message };
  return { effect, reason, action, resource, statement: verdict.statement.name, message };
}

function because(reason: Decision["reason"], layer: LayerKind, action: string): string {
  if (reason === "allowed") return "";
  if (reason === "implicit-deny") return ` because no ${layer} allows the ${action} action`;
  return ` with an explicit deny in ${/^[aeiou]/.test(layer) ? "an" : "a"} ${layer}`;
}

/** Keys that make a grant as narrow as the call was: without them a pasted policy would open every model. */
const NARROWING_KEYS = ["bedrock-mantle:Model"];

function minimalPolicy(denied: readonly Decision[], context: ConditionContext): unknown {
  const narrow = Object.entries(context).filter(([key]) => NARROWING_KEYS.includes(key));
  const condition = { StringEquals: Object.fromEntries(narrow) };
  return {
    Version: "2012-10-17",
    Statement: denied.map(({ action, resource }) => ({
      Effect: "Allow",
      Action: action,
      Resource: resource,
      ...(narrow.length > 0 && !action.endsWith(":CallWithBearerToken") && { Condition: condition }),
    })),
  };
}

/** Keys that only the authenticated principal and the server's clock may set. */
const OWN_KEYS = /^aws:(principal.*|userid|username|currenttime|epochtime)$|:bearertokentype$/s;

/** The request's condition keys, gathered when the first condition asks. Names know no case. */
function contextOf(request: AccessRequest, now: number): Lookup {
  let keys: Map<string, readonly string[]> | undefined;
  return (key) => {
    keys ??= new Map([...givenKeys(request.context), ...ownKeys(request, now)]);
    return keys.get(key);
  };
}

function* givenKeys(context: ConditionContext): Iterable<[string, readonly string[]]> {
  for (const [name, value] of Object.entries(context)) {
    const key = name.toLowerCase();
    if (!OWN_KEYS.test(key)) yield [key, typeof value === "string" ? [value] : value];
  }
}

function* ownKeys(
  { principal, action, resource }: AccessRequest,
  now: number,
): Iterable<[string, readonly string[]]> {
  yield ["aws:principalarn", [principalArn(principal)]];
  yield ["aws:principalaccount", [principal.account]];
  yield ["aws:principaltype", [PRINCIPAL_TYPES[principal.type]]];
  yield ["aws:userid", [principal.id]];
  if (principal.type === "IAMUser") yield ["aws:username", [principal.name]];
  for (const [tag, value] of Object.entries(principal.tags))
    yield [`aws:principaltag/${tag.toLowerCase()}`, [value]];
  yield ["aws:currenttime", [new Date(now).toISOString()]];
  yield ["aws:epochtime", [String(Math.floor(now / 1000))]];
  const owner = parseArn(resource)?.account;
  if (owner) yield ["aws:resourceaccount", [owner]];
  if (principal.credential !== "sigv4") {
    const type = principal.credential === "short-term-key" ? "SHORT_TERM" : "LONG_TERM";
    yield [`${action.slice(0, action.indexOf(":")).toLowerCase()}:bearertokentype`, [type]];
  }
}

const PRINCIPAL_TYPES = { IAMUser: "User", AssumedRole: "AssumedRole", Root: "Account" } as const;

/** Policies name a role session by its role: `arn:aws:iam::A:role/R` for `arn:aws:sts::A:assumed-role/R/S`. */
function principalArn({ arn }: Principal): string {
  const session = /^arn:([^:]+):sts::(\d+):assumed-role\/([^/]+)\//.exec(arn);
  return session ? `arn:${session[1]}:iam::${session[2]}:role/${session[3]}` : arn;
}
