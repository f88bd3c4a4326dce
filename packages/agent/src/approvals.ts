/** May a tool call act? A pure decision that names its rule and its reason. */

import type { SandboxMode } from "@moho/sandbox";

/** `never`: nobody is there to ask. `on-request`: leaving the sandbox is a question to the user. */
export type ApprovalPolicy = "never" | "on-request";

/** What of a call matters for the decision. */
export interface Wants {
  /** Changes files in process. */
  writes: boolean;
  /** Wants to act outside the sandbox. */
  escalates: boolean;
}

export interface Decision {
  verdict: "allow" | "ask" | "forbid";
  rule: "full-access" | "read-only" | "escalation" | "sandboxed";
  reason: string;
}

export function decide(wants: Wants, policy: { approval: ApprovalPolicy; mode: SandboxMode }): Decision {
  if (policy.mode === "danger-full-access")
    return { verdict: "allow", rule: "full-access", reason: "This run has no sandbox." };
  if (wants.writes && policy.mode === "read-only")
    return {
      verdict: "forbid",
      rule: "read-only",
      reason: "The sandbox is read-only: files may not be changed.",
    };
  if (wants.escalates && policy.approval === "never")
    return {
      verdict: "forbid",
      rule: "escalation",
      reason: "Leaving the sandbox needs an approval, and this run's approval policy is never.",
    };
  if (wants.escalates)
    return { verdict: "ask", rule: "escalation", reason: "The call wants to act outside the sandbox." };
  return { verdict: "allow", rule: "sandboxed", reason: "The sandbox bounds what it can do." };
}

/** Puts an `ask` to whoever answers; resolves to whether the call may act. */
export type Approve = (
  question: { tool: string; text: string; justification: string | undefined; decision: Decision },
  signal: AbortSignal,
) => Promise<boolean>;
