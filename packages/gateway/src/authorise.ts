/** May this principal do this? Builds the IAM question of a call and turns a "no" into the caller's refusal. */

import type { ConditionContext, Decision } from "@moho/access";
import { MohoError } from "@moho/protocol";

/** Scopes of credentials that are taken: Mantle's own, and `bedrock`, which Mantle takes as well (aws-wire §1.1). */
export const SIGNING_SERVICES: readonly string[] = ["bedrock-mantle", "bedrock"];

/** The facts of a call that conditions may ask for (aws-wire §1.12, §7.4). */
export interface Circumstances {
  region: string;
  sourceIp: string;
  secure: boolean;
  userAgent: string;
  model: string | undefined;
  serviceTier: string | undefined;
}

/** What the request itself says; what concerns the principal and its credential, `access` adds. */
export function contextOf(facts: Circumstances): ConditionContext {
  const context: Record<string, string> = {
    "aws:RequestedRegion": facts.region,
    "aws:SecureTransport": String(facts.secure),
    "aws:SourceIp": facts.sourceIp,
    "aws:UserAgent": facts.userAgent,
  };
  if (facts.model !== undefined) context["bedrock-mantle:Model"] = facts.model;
  if (facts.serviceTier !== undefined) context["bedrock-mantle:ServiceTier"] = facts.serviceTier;
  return context;
}

/** AWS's sentence, and the least policy that would allow the call; none can undo an explicit deny. */
export function denied(decision: Decision): MohoError {
  const policy = decision.minimalPolicy;
  const next =
    decision.reason === "explicit-deny"
      ? "A Deny statement forbids this, and no other statement can allow it: ask the gateway's administrator, whose audit log names the statement."
      : policy !== undefined && `Ask for this policy: ${JSON.stringify(policy)}`;
  return new MohoError("access_denied", decision.message, {
    ...(next && { next }),
    details: { action: decision.action, resource: decision.resource },
  });
}
