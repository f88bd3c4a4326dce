/** The decision table: every row of `fixtures/decisions` through the real entry point. */

import { readdirSync, readFileSync } from "node:fs";
import type { ConditionContext, CredentialKind, Decision } from "@moho/access";
import { describe, expect, it } from "vitest";
import { PROJECT, principal, setting } from "./setting.ts";

interface Row {
  it: string;
  statements?: unknown[];
  policies?: unknown[];
  version?: string | null;
  tags?: Record<string, string>;
  credential?: CredentialKind;
  action?: string;
  resource?: string;
  context?: ConditionContext;
  expect: Decision["reason"];
  by?: Decision["statement"];
  asked?: string;
}
interface ConditionRow extends Row {
  if: unknown;
  holds: boolean;
}
const folder = new URL("fixtures/decisions/", import.meta.url);

async function decide(row: Row, policies: readonly unknown[]): Promise<Decision> {
  const { access, administration } = setting();
  const names = policies.map((_, i) => `p${i}`);
  const version = row.version === undefined ? "2012-10-17" : row.version;
  for (const [i, Statement] of policies.entries())
    await administration.putPolicy(`p${i}`, { ...(version === null ? {} : { Version: version }), Statement });
  return access.authorize({
    principal: principal({ tags: row.tags ?? {}, policies: names, credential: row.credential ?? "sigv4" }),
    action: row.action ?? "bedrock-mantle:CreateInference",
    resource: row.resource ?? PROJECT,
    context: row.context ?? {},
  });
}

for (const file of readdirSync(folder)) {
  const table = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as {
    about: string;
    cases?: Row[];
    conditions?: ConditionRow[];
  };
  describe(`${file}: ${table.about}`, () => {
    if (table.cases)
      it.each(table.cases.map((row) => [row.it, row] as const))("%s", async (_, row) => {
        const decision = await decide(row, row.policies ?? [row.statements]);
        expect(decision.reason).toBe(row.expect);
        expect(decision.effect).toBe(row.expect === "allowed" ? "allow" : "deny");
        if (row.by) expect(decision.statement).toEqual(row.by);
        if (row.asked) expect(decision.action).toBe(row.asked);
      });
    if (table.conditions)
      it.each(table.conditions.map((row) => [row.it, row] as const))("%s", async (_, row) => {
        const all = { Action: "*", Resource: "*" };
        const allow = { Effect: "Allow", ...all };
        const inAllow = await decide(row, [[{ ...allow, Condition: row.if }]]);
        expect(inAllow.reason).toBe(row.holds ? "allowed" : "implicit-deny");
        const inDeny = await decide(row, [[allow, { Effect: "Deny", ...all, Condition: row.if }]]);
        expect(inDeny.reason).toBe(row.holds ? "explicit-deny" : "allowed");
      });
  });
}
