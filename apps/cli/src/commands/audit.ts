/** `moho audit verify | list`: walks the hash chain of a gateway's records, or shows them. */

import { resolve } from "node:path";
import { AUDIT_STREAM } from "@moho/gateway";
import { formatUsd, MohoError } from "@moho/protocol";
import { openStore, type Store, verifyStream } from "@moho/store";
import type { Arguments, Command } from "../command.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { readGatewayConfig } from "./gateway/config.ts";

export const command: Command = {
  usage: ["verify --config FILE", "list --config FILE [--limit N] [--json]"],
  about: "Verify the hash chain of a gateway's audit log, or list its records.",
  flags: [
    { name: "config", value: "FILE", about: "The gateway's TOML file." },
    { name: "database", value: "FILE", about: "Instead: the SQLite file itself." },
    { name: "limit", value: "N", about: "With list: the last N records (20)." },
    { name: "json", about: "Print JSON." },
  ],
  async run(context, args) {
    const [verb] = args.positionals;
    if (verb !== "verify" && verb !== "list")
      throw new MohoError("invalid_request", "moho audit takes `verify` or `list`.");
    const store = await openStore(await storeUrl(context, args));
    try {
      return verb === "verify" ? await verify(context, args, store) : await list(context, args, store);
    } finally {
      await store.close();
    }
  },
};

async function storeUrl(context: Context, args: Arguments): Promise<string> {
  const database = args.value("database");
  if (database !== undefined) return `sqlite:${resolve(context.cwd, database)}`;
  const file = args.value("config");
  if (file === undefined)
    throw new MohoError("invalid_request", "moho audit needs --config FILE or --database FILE.");
  return (await readGatewayConfig(resolve(context.cwd, file))).database_url;
}

async function verify(context: Context, args: Arguments, store: Store): Promise<number> {
  const report = await verifyStream(store.log, AUDIT_STREAM);
  if (args.on("json")) context.stdout.write(`${JSON.stringify(report)}\n`);
  else if (report.ok)
    context.stdout.write(`chain intact: ${report.records} records, last hash ${report.hash}\n`);
  else
    context.stdout.write(
      `chain BROKEN at record ${report.brokenAt}: ${report.reason} (${report.records} records before it hold)\n`,
    );
  return report.ok ? EXIT.ok : EXIT.failed;
}

/** What of a record is shown in one line; the gateway writes it, see `packages/gateway/src/record.ts`. */
interface Shown {
  eventTime: string;
  eventName: string;
  errorCode?: string;
  userIdentity: { arn?: string };
  requestParameters: { model?: string } | null;
  additionalEventData: {
    decision?: { effect: string; statement?: { policy: string; sid?: string; index: number } };
    usage?: { input: number; cacheRead: number; cacheWrite: number; output: number; reasoning: number };
    costNanoUsd?: number;
  };
}

async function list(context: Context, args: Arguments, store: Store): Promise<number> {
  const limit = Number(args.value("limit") ?? 20);
  if (!Number.isInteger(limit) || limit < 1)
    throw new MohoError("invalid_request", "--limit takes a whole number.");
  const last = await store.log.last(AUDIT_STREAM);
  const after = Math.max(0, (last?.seq ?? 0) - limit);
  for await (const { body } of store.log.read(AUDIT_STREAM, { after }))
    context.stdout.write(args.on("json") ? `${body}\n` : `${auditLine(JSON.parse(body) as Shown)}\n`);
  return EXIT.ok;
}

/** One record in one line: when, who, what, the decision and its statement, tokens, cost or error. */
export function auditLine(record: Shown): string {
  const { decision, usage, costNanoUsd } = record.additionalEventData;
  const who = record.userIdentity.arn?.split("/").at(-1) ?? "unknown";
  const by = decision?.statement;
  const statement = by ? ` by ${by.policy}${by.sid ? `/${by.sid}` : `[${by.index}]`}` : "";
  const tokens = usage
    ? `${usage.input + usage.cacheRead + usage.cacheWrite} in ${usage.output + usage.reasoning} out`
    : "–";
  const cost = costNanoUsd === undefined ? "" : `  ${formatUsd(costNanoUsd)}`;
  const end = record.errorCode ? `  ${record.errorCode}` : "";
  const model = record.requestParameters?.model ?? "";
  return `${record.eventTime}  ${who}  ${record.eventName} ${model}  ${decision?.effect ?? "–"}${statement}  ${tokens}${cost}${end}`;
}
