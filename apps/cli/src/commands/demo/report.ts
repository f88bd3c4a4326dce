/** What the demo leaves behind, for a person: the diff, the tests, every call, the money, the chain. */

import { execFileSync } from "node:child_process";
import { AUDIT_STREAM } from "@moho/gateway";
import { formatUsd, MohoError } from "@moho/protocol";
import { openStore, verifyStream } from "@moho/store";
import { auditLine } from "../audit.ts";
import { readGatewayConfig } from "../gateway/config.ts";

/** Throws `internal` when anything is not as it should be: the demo is a proof, not a show. */
export async function report(config: string, repository: string): Promise<string> {
  const store = await openStore((await readGatewayConfig(config)).database_url);
  try {
    const lines: string[] = [];
    for await (const { body } of store.log.read(AUDIT_STREAM)) lines.push(`  ${auditLine(JSON.parse(body))}`);
    const chain = await verifyStream(store.log, AUDIT_STREAM);
    if (!chain.ok || chain.records === 0) throw new MohoError("internal", "The audit chain is not whole.");
    const [budget] = await store.ledger.budgets(Date.now());
    if (!budget || budget.settled === 0 || budget.reserved !== 0)
      throw new MohoError("internal", "The ledger does not hold what was spent.");
    return [
      "\nWhat changed",
      indent(execFileSync("git", ["-C", repository, "diff", "--no-color", "-U1"], { encoding: "utf8" })),
      `\nThe repository's own tests\n  ${testsPass(repository)}`,
      "\nEvery model call, as the gateway recorded it",
      ...lines,
      `\nMoney\n  ${formatUsd(budget.settled)} of ${formatUsd(budget.limit)} ${budget.period} spent, nothing left reserved`,
      `\nAudit chain\n  intact: ${chain.records} records, last hash ${chain.hash}`,
      "\nThe same with your own AWS profile, in your own repository:",
      "  export AWS_PROFILE=your-profile AWS_REGION=us-east-1",
      "  npx moho auth status",
      '  npx moho exec --max-cost 0.50 "make the tests pass"',
    ].join("\n");
  } finally {
    await store.close();
  }
}

/** Runs them outside of any sandbox and agent. */
function testsPass(repository: string): string {
  try {
    execFileSync("node", ["--test"], { cwd: repository, stdio: "pipe" });
    return "green";
  } catch (cause) {
    throw new MohoError("internal", "The repository's tests do not pass.", { cause });
  }
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, "  ");
}
