/**
 * AWS's evaluation: an explicit deny in any layer wins; after that every layer that exists must allow; the default is
 * deny. Layers are named, and listed in AWS's order, so a denial says whose it is.
 */

import type { CompiledPolicy, CompiledStatement } from "./compile.ts";
import type { Lookup } from "./pattern.ts";

export type LayerKind =
  | "service control policy"
  | "identity-based policy"
  | "permissions boundary"
  | "session policy";

export interface Layer {
  kind: LayerKind;
  policies: readonly CompiledPolicy[];
}

export interface Question {
  action: string;
  resource: string;
  lookup: Lookup;
}

export type Verdict =
  | { effect: "allow"; reason: "allowed"; layer: LayerKind; statement: CompiledStatement }
  | { effect: "deny"; reason: "explicit-deny"; layer: LayerKind; statement: CompiledStatement }
  /** `layer` is the first one without an Allow. */
  | { effect: "deny"; reason: "implicit-deny"; layer: LayerKind };

/** Decides one question. `layers` are in AWS's order and the identity-based one is among them; an allow names its statement. */
export function evaluate(layers: readonly Layer[], question: Question): Verdict {
  const action = question.action.toLowerCase();
  let silent: LayerKind | undefined;
  let allowed: CompiledStatement | undefined;
  for (const { kind, policies } of layers) {
    let allow: CompiledStatement | undefined;
    for (const { statements } of policies)
      for (const statement of statements) {
        if (allow && statement.effect === "Allow") continue;
        if (!statement.applies(action, question.resource, question.lookup)) continue;
        if (statement.effect === "Deny")
          return { effect: "deny", reason: "explicit-deny", layer: kind, statement };
        allow = statement;
      }
    if (!allow) silent ??= kind;
    if (kind === "identity-based policy") allowed = allow;
  }
  if (silent === undefined && allowed)
    return { effect: "allow", reason: "allowed", layer: "identity-based policy", statement: allowed };
  return { effect: "deny", reason: "implicit-deny", layer: silent ?? "identity-based policy" };
}
