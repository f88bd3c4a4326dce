/** `moho gateway --dev`: a whole gateway without a file, for trying a client. */

import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { MohoError } from "@moho/protocol";
import type { Arguments } from "../../command.ts";
import type { ComposedStore } from "../../compose/gateway.ts";
import type { Context } from "../../context.ts";
import type { GatewayConfig, UpstreamConfig } from "./config.ts";

const USER = "dev-admin";
const POLICY = "dev-administrator";

/** The settings that `--listen`, `--upstream` and `--database` stand for. */
export function devConfig(context: Context, args: Arguments): GatewayConfig {
  const region = context.env["AWS_REGION"] || context.env["AWS_DEFAULT_REGION"] || "us-east-1";
  const database = args.value("database");
  const upstream = readUpstream(context, args.value("upstream"));
  return {
    listen: args.value("listen") ?? "127.0.0.1:8080",
    database_url: database === undefined ? "memory:" : `sqlite:${resolve(context.cwd, database)}`,
    seal_key_file: undefined,
    account: "000000000000",
    region,
    regions: [],
    alternate_hosts: undefined,
    projects: [],
    free_models: ["*"],
    synchronous: "normal",
    upstreams: [upstream],
    routes: [{ model: "*", upstream: upstream.name, upstream_model: undefined }],
    prices: [],
    limits: undefined,
  };
}

function readUpstream(context: Context, given: string | undefined): UpstreamConfig {
  const [kind, ...rest] = (given ?? "").split("=");
  const value = rest.join("=");
  const none = {
    region: undefined,
    profile: undefined,
    base_url: undefined,
    api_key_env: undefined,
    script: undefined,
  };
  if (kind === "openai-compatible" && value) return { ...none, name: "dev", kind, base_url: value };
  if (kind === "bedrock-mantle") {
    const isUrl = value.includes("://");
    return { ...none, name: "dev", kind, ...(value && (isUrl ? { base_url: value } : { region: value })) };
  }
  if (kind === "scripted" && value)
    return { ...none, name: "dev", kind, script: resolve(context.cwd, value) };
  throw new MohoError("invalid_request", "--dev needs --upstream KIND=VALUE.", {
    next: "Use openai-compatible=URL, bedrock-mantle=REGION or scripted=FILE.",
  });
}

/** What a client of the gateway at `url` sets: Codex's and Moho's `config.toml`. */
export function clientSettings(url: string, region: string): string[] {
  return [
    "# in ~/.codex/config.toml or ~/.moho/config.toml:",
    'model_provider = "amazon-bedrock"',
    `model_providers.amazon-bedrock.base_url = "${url}/openai/v1"`,
    `model_providers.amazon-bedrock.aws.region = "${region}"`,
  ];
}

/** One administrator; credentials from the environment, else made. Returns what was made, to be printed once. */
export async function devAdministrator(context: Context, { access }: ComposedStore): Promise<string[]> {
  const { administration } = access;
  const statement = { Effect: "Allow", Action: "*", Resource: "*" };
  await administration.putPolicy(POLICY, { Version: "2012-10-17", Statement: [statement] });
  const known = await administration.listPrincipals();
  if (!known.some(({ name }) => name === USER))
    await administration.createPrincipal({ name: USER, policies: [POLICY] });
  const id = context.env["MOHO_DEV_ACCESS_KEY_ID"];
  const secret = context.env["MOHO_DEV_SECRET_ACCESS_KEY"];
  const token = context.env["MOHO_DEV_API_KEY"];
  if (Boolean(id) !== Boolean(secret))
    throw new MohoError(
      "invalid_request",
      "MOHO_DEV_ACCESS_KEY_ID and MOHO_DEV_SECRET_ACCESS_KEY go together.",
    );
  const keys = new Set((await administration.listKeys(USER)).map((key) => key.id));
  const made: string[] = [];
  if (id && secret) {
    const given = { accessKeyId: id, secretAccessKey: secret };
    if (!keys.has(id)) await administration.issueAccessKey(USER, { given });
  } else if (!token) {
    const given = {
      accessKeyId: `AKIADEV${randomBytes(6).toString("hex").toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString("base64"),
    };
    await administration.issueAccessKey(USER, { given });
    made.push(`export AWS_ACCESS_KEY_ID=${given.accessKeyId} AWS_SECRET_ACCESS_KEY=${given.secretAccessKey}`);
  }
  if (token) await administration.issueApiKey(USER, { given: token }).catch(ignoreKnown);
  else if (!id) made.push(`export AWS_BEARER_TOKEN_BEDROCK=${(await administration.issueApiKey(USER)).key}`);
  return made;
}

/** The same key was stored by an earlier start on this database. */
function ignoreKnown(error: unknown): void {
  if (!(error instanceof MohoError) || error.code !== "conflict") throw error;
}
