/** `moho audit verify | list`: walks the hash chain of a gateway's records, or shows them. */

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { AUDIT_STREAM } from "@moho/gateway";
import { type ErrorCode, formatUsd, MohoError } from "@moho/protocol";
import { type ChainReport, type LogRecord, openStore, type Store, verifyStream } from "@moho/store";
import type { Arguments, Command } from "../command.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { readGatewayConfig } from "./gateway/config.ts";

export const command: Command = {
  usage: [
    "verify --config FILE [--expect-records N] [--expect-hash HEX]",
    "list --config FILE [--limit N] [--request ID] [--user NAME] [--json]",
  ],
  about: "Verify the hash chain of a gateway's audit log, or list its records.",
  flags: [
    { name: "config", value: "FILE", about: "The gateway's TOML file." },
    { name: "database", value: "FILE", about: "Instead: the SQLite file itself." },
    { name: "expect-records", value: "N", about: "With verify: there must be at least N records." },
    {
      name: "expect-hash",
      value: "HEX",
      about: "With verify: the hash of record N, or of the last record without --expect-records.",
    },
    { name: "limit", value: "N", about: "With list: the last N records (20)." },
    { name: "request", value: "ID", about: "With list: only the request with this id." },
    { name: "user", value: "NAME", about: "With list: only this user's requests." },
    { name: "json", about: "Print JSON." },
  ],
  async run(context, args) {
    const [verb] = args.positionals;
    if (verb !== "verify" && verb !== "list")
      throw new MohoError("invalid_request", "moho audit takes `verify` or `list`.", {
        next: "See `moho audit --help`.",
      });
    const act = verb === "verify" ? prepareVerify(args) : prepareList(args);
    const store = await openExisting(context, args);
    try {
      return await act(context, store);
    } finally {
      await store.close();
    }
  },
};

type Act = (context: Context, store: Store) => Promise<number>;

/** Looking must not make: a database that is not there is the caller's mistake. */
async function openExisting(context: Context, args: Arguments): Promise<Store> {
  const database = args.value("database");
  if (database !== undefined) {
    const path = resolve(context.cwd, database);
    assertDatabase(path, "invalid_request", "Check the path after --database.");
    return openStore(`sqlite:${path}`);
  }
  const file = args.value("config");
  if (file === undefined)
    throw new MohoError("invalid_request", "moho audit needs --config FILE or --database FILE.", {
      next: "Give the file that `moho gateway --config` is started with, or the SQLite file itself.",
    });
  const url = (await readGatewayConfig(resolve(context.cwd, file))).database_url;
  const next = `Check \`database_url\` in ${file}; a gateway that was never started has no database yet.`;
  if (url === "memory:")
    throw new MohoError("invalid_config", 'A gateway with `database_url = "memory:"` leaves no audit log.');
  const path = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(url)?.[1];
  if (path !== undefined) assertDatabase(resolve(path), "invalid_config", next);
  return openStore(url);
}

function assertDatabase(path: string, code: ErrorCode, next: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile()) throw new MohoError(code, `There is no database ${path}.`, { next });
  if (found.size === 0) throw new MohoError(code, `${path} is empty: it is no database.`, { next });
}

function prepareVerify(args: Arguments): Act {
  const records = wholeNumber(args, "expect-records");
  const hash = args.value("expect-hash")?.toLowerCase();
  if (hash !== undefined && !/^[0-9a-f]{64}$/.test(hash))
    throw new MohoError(
      "invalid_request",
      "--expect-hash takes the 64 hexadecimal digits of a record's hash.",
    );
  const expected = { records, hash };
  return async (context, store) => {
    const report = await checked(store, await verifyStream(store.log, AUDIT_STREAM), expected);
    context.stdout.write(args.on("json") ? `${JSON.stringify(report)}\n` : verdict(report, expected));
    return report.ok ? EXIT.ok : EXIT.failed;
  };
}

/** What was noted elsewhere about the chain. */
interface Expected {
  records: number | undefined;
  hash: string | undefined;
}

/** Holds a whole chain against what was noted: an end that was cut off, or a history that was written anew, shows. */
async function checked(store: Store, report: ChainReport, { records, hash }: Expected): Promise<ChainReport> {
  if (!report.ok) return report;
  const broken = (brokenAt: number, reason: string): ChainReport => ({
    ...report,
    ok: false,
    brokenAt,
    reason,
  });
  const least = records ?? (hash === undefined ? 0 : 1);
  if (report.records < least)
    return broken(
      report.records + 1,
      `it is not there, and at least ${least} were expected: the end was cut off`,
    );
  if (hash === undefined) return report;
  const at = records ?? report.records;
  const found = at === report.records ? report.hash : (await recordAt(store, at))?.hash;
  return found === hash ? report : broken(at, `its hash is ${found}, not the expected ${hash}`);
}

async function recordAt(store: Store, seq: number): Promise<LogRecord | undefined> {
  for await (const record of store.log.read(AUDIT_STREAM, { after: seq - 1, limit: 1 })) return record;
  return undefined;
}

function verdict(report: ChainReport, { records, hash }: Expected): string {
  if (!report.ok)
    return `chain BROKEN at record ${report.brokenAt}: ${report.reason} (${report.records} records hold among themselves)\n`;
  if (report.records === 0) return "no audit records: no call was ever recorded in this database\n";
  const known = records !== undefined || hash !== undefined ? "\nit is what was expected" : "";
  return (
    `chain intact: ${report.records} records, last hash ${report.hash}${known}\n` +
    `note outside of this machine, and check later: --expect-records ${report.records} --expect-hash ${report.hash}\n`
  );
}

/** What of a record is shown in one line; the gateway writes it, see `packages/gateway/src/record.ts`. */
interface Shown {
  eventTime: string;
  eventName: string;
  errorCode?: string;
  requestID: string;
  sourceIPAddress: string;
  userIdentity: { arn?: string };
  requestParameters: { model?: string } | null;
  additionalEventData: {
    decision?: { effect: string; statement?: { policy: string; sid?: string; index: number } };
    usage?: { input: number; cacheRead: number; cacheWrite: number; output: number; reasoning: number };
    costNanoUsd?: number;
  };
}

function prepareList(args: Arguments): Act {
  const limit = wholeNumber(args, "limit") ?? 20;
  const [request, user] = [args.value("request"), args.value("user")];
  const wanted = (record: Shown) =>
    (request === undefined || record.requestID === request) &&
    (user === undefined || userOf(record) === user);
  const filtered = request !== undefined || user !== undefined;
  return async (context, store) => {
    const last = await store.log.last(AUDIT_STREAM);
    const after = filtered ? 0 : Math.max(0, (last?.seq ?? 0) - limit);
    const lines: string[] = [];
    for await (const { body } of store.log.read(AUDIT_STREAM, { after })) {
      const record = JSON.parse(body) as Shown;
      if (!wanted(record)) continue;
      lines.push(
        args.on("json") ? body : `${auditLine(record)}  ${record.sourceIPAddress}  ${record.requestID}`,
      );
      if (lines.length > limit) lines.shift();
    }
    if (lines.length > 0) context.stdout.write(`${lines.join("\n")}\n`);
    else if (!args.on("json"))
      context.stdout.write(last ? "no audit record fits\n" : "no audit records: no call was ever recorded\n");
    return EXIT.ok;
  };
}

/** From 1; `undefined` when the flag is not there. */
function wholeNumber(args: Arguments, flag: string): number | undefined {
  const text = args.value(flag);
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new MohoError("invalid_request", `--${flag} takes a whole number from 1, not "${text}".`);
}

function userOf(record: Shown): string | undefined {
  return record.userIdentity.arn?.split("/").at(-1);
}

/** One record in one line: when, who, what, the decision and its statement, tokens, cost or error. */
export function auditLine(record: Shown): string {
  const { decision, usage, costNanoUsd } = record.additionalEventData;
  const who = userOf(record) ?? "unknown";
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
