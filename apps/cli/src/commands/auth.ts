/** `moho auth status`: which identity calls the model, what else was looked at, and where the region comes from. */

import { type CredentialReport, createNodeTransport, explainCredentials } from "@moho/model";
import { ERRORS, MohoError } from "@moho/protocol";
import type { Command } from "../command.ts";
import { composeConfig } from "../compose/config.ts";
import { chooseProvider, credentialWorld } from "../compose/provider.ts";
import { EXIT } from "../exit.ts";

export const command: Command = {
  usage: ["status"],
  about:
    "Show which AWS identity calls the model: the source that wins, the others and why not, expiry, region.",
  flags: [
    {
      name: "config",
      short: "c",
      value: "KEY=VALUE",
      multiple: true,
      about: "Override one setting (TOML value).",
    },
    { name: "profile", short: "p", value: "NAME", about: "Layer NAME.config.toml over the user's settings." },
    { name: "offline", about: "Do not ask AWS STS who this is." },
    { name: "json", about: "Print the report as JSON." },
  ],
  async run(given, args) {
    if (args.positionals[0] !== "status") throw new MohoError("invalid_request", "moho auth takes `status`.");
    const { config, context } = await composeConfig(given, args);
    const choice = chooseProvider(config);
    const transport = createNodeTransport();
    const ownEndpoint = choice.table.base_url;
    const world = credentialWorld(context, ownEndpoint === undefined ? transport : undefined);
    const report = await explainCredentials(choice.credentials, world, { offline: args.on("offline") });
    transport.close();
    context.stdout.write(
      args.on("json") ? `${JSON.stringify(report, null, 2)}\n` : page(report, ownEndpoint),
    );
    return report.winner && !report.winner.problem ? EXIT.ok : EXIT.authentication;
  },
};

const GET_SOME =
  "Sign in with `aws sso login` and set AWS_PROFILE, or set AWS_BEARER_TOKEN_BEDROCK to a Bedrock API key.";
const NO_REGION = "none found: set AWS_REGION, or `aws.region` of the model provider";

function page(report: CredentialReport, endpoint: string | undefined): string {
  const rows: [string, string][] = [["provider", report.provider]];
  if (endpoint !== undefined) rows.push(["endpoint", endpoint]);
  rows.push(...winnerRows(report));
  const { region } = report;
  rows.push(["region", region ? `${region.region} (from ${region.source})` : NO_REGION]);
  for (const { source, reason } of report.losers) rows.push(["not used", `${source}: ${reason}`]);
  return `${rows.map(([name, text]) => `${name.padEnd(11)}${text}`).join("\n")}\n`;
}

function winnerRows({ winner }: CredentialReport): [string, string][] {
  if (!winner)
    return [
      ["source", "no AWS credentials found"],
      ["next", GET_SOME],
    ];
  const rows: [string, string][] = [["source", winner.source]];
  if (winner.problem) {
    const { message, next } = winner.problem;
    // The row of `no_credentials` sends people here.
    return [...rows, ["problem", message], ["next", next === ERRORS.no_credentials.next ? GET_SOME : next]];
  }
  rows.push(["kind", winner.kind === "sigv4" ? `access key ${winner.accessKeyId}` : String(winner.kind)]);
  if (winner.principal) rows.push(["principal", winner.principal.arn]);
  else if (winner.principalProblem) rows.push(["principal", `unknown: ${winner.principalProblem}`]);
  rows.push([
    "expires",
    winner.expiresAt === undefined ? "never, as far as it says" : expiry(winner.expiresAt),
  ]);
  return rows;
}

function expiry(at: number): string {
  const minutes = Math.round((at - Date.now()) / 60_000);
  const when =
    minutes < 0 ? "expired" : minutes < 120 ? `in ${minutes} min` : `in ${Math.round(minutes / 60)} h`;
  return `${new Date(at).toISOString()} (${when})`;
}
