/** From `model_providers.<id>` of the configuration to a model client: credentials, endpoint, retries. */

import { join } from "node:path";
import type { Config } from "@moho/config";
import {
  type CommandSettings,
  type CredentialSettings,
  type Credentials,
  type CredentialWorld,
  createBedrockMantle,
  createBedrockRuntime,
  createCredentials,
  createModelClient,
  createNodeTransport,
  createOpenAiCompatible,
  DEFAULT_MODEL,
  findRegion,
  fixedCredentials,
  type ModelClient,
  type Provider,
  resolveModel,
  type Transport,
  type Upstream,
} from "@moho/model";
import { MohoError } from "@moho/protocol";
import { type Context, mohoHome } from "../context.ts";

type ProviderTable = NonNullable<Config["settings"]["model_providers"]>[string];

/** The part of the configuration that says where model calls go. */
export interface ProviderChoice {
  id: string;
  kind: Provider;
  table: ProviderTable;
  credentials: CredentialSettings;
}

const BEDROCK = ["amazon-bedrock", "amazon-bedrock-runtime"] as const;

/** Throws `invalid_config` for a provider that is not configured. */
export function chooseProvider(config: Config): ProviderChoice {
  const id = config.settings.model_provider ?? "amazon-bedrock";
  const table = (config.settings.model_providers?.[id] ?? {}) as ProviderTable;
  const bedrock = BEDROCK.find((name) => name === id);
  if (!bedrock && table.base_url === undefined)
    throw new MohoError("invalid_config", `The model provider "${id}" has no \`base_url\`.`, {
      next: `Use "amazon-bedrock" or "amazon-bedrock-runtime", or set \`model_providers.${id}.base_url\`.`,
    });
  return { id, kind: bedrock ?? "openai-compatible", table, credentials: credentialSettings(id, table) };
}

/** What credentials are read from: this process, its files, and a line to the person waiting. */
export function credentialWorld(context: Context, transport?: Transport): CredentialWorld {
  return {
    env: context.env,
    home: context.userHome,
    lockFolder: join(mohoHome(context), "locks"),
    now: Date.now,
    notify: (line) => void context.stderr.write(`${line}\n`),
    ...(transport && { transport }),
  };
}

export interface ComposedModel {
  client: ModelClient;
  /** For people: `amazon-bedrock us-east-1`, and the endpoint when it is not AWS's own. */
  provider: string;
  close(): void;
}

/** Builds the client; nothing is read or sent before its first request but the region's source. */
export async function composeModel(
  context: Context,
  config: Config,
  choice: ProviderChoice,
  model: string | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<ComposedModel> {
  const transport = createNodeTransport();
  const { table, kind, id } = choice;
  const ownEndpoint = table.base_url !== undefined;
  const world = credentialWorld(context, ownEndpoint ? undefined : transport);
  const region =
    kind === "openai-compatible" ? undefined : (await findRegion(choice.credentials, world))?.region;
  const resolved = resolveModel({
    model: model ?? config.settings.model ?? DEFAULT_MODEL,
    provider: kind,
    now: Date.now(),
    ...(region !== undefined && { region }),
    ...(table.base_url !== undefined && { baseUrl: table.base_url }),
  });
  const credentials = credentialsOf(choice, world);
  const idle = table.stream_idle_timeout_ms;
  const options = {
    name: id,
    credentials,
    transport,
    now: Date.now,
    baseUrl: resolved.baseUrl,
    ...(region !== undefined && { region }),
    ...(idle !== undefined && { clocks: { connect: 10_000, firstByte: 120_000, idle } }),
  };
  const client = createModelClient({
    upstream: upstreamOf(kind, options),
    model: resolved,
    credentials,
    headers: { ...headers, ...extraHeaders(table, context) },
    retries: {
      ...(table.request_max_retries !== undefined && { request: table.request_max_retries }),
      ...(table.stream_max_retries !== undefined && { stream: table.stream_max_retries }),
    },
  });
  const place = [id, region, ownEndpoint ? new URL(resolved.baseUrl).host : undefined];
  return {
    client,
    provider: place.filter((part) => part !== undefined).join(" "),
    close: () => transport.close(),
  };
}

function upstreamOf(
  kind: Provider,
  options: Parameters<typeof createBedrockMantle>[0] & { baseUrl: string },
): Upstream {
  if (kind === "amazon-bedrock") return createBedrockMantle(options);
  if (kind === "amazon-bedrock-runtime") return createBedrockRuntime(options);
  return createOpenAiCompatible(options);
}

function credentialsOf(choice: ProviderChoice, world: CredentialWorld): Credentials {
  const { kind, table, id } = choice;
  if (kind !== "openai-compatible" || table.auth) return createCredentials(choice.credentials, world);
  const key = table.env_key === undefined ? table.experimental_bearer_token : world.env[table.env_key];
  if (table.env_key !== undefined && !key)
    throw new MohoError("no_credentials", `The variable ${table.env_key} of provider "${id}" is not set.`, {
      ...(table.env_key_instructions && { next: table.env_key_instructions }),
    });
  const source = table.env_key ?? `model_providers.${id}`;
  return fixedCredentials(
    key ? { kind: "bearer", token: key, source, expiresAt: undefined } : { kind: "none", source },
  );
}

function credentialSettings(id: string, table: ProviderTable): CredentialSettings {
  const { auth, aws } = table;
  const settings: CredentialSettings = { provider: id };
  if (auth?.command !== undefined) {
    settings.auth = { ...commandOf(auth), ...(auth.cwd !== undefined && { cwd: auth.cwd }) };
    if (auth.refresh_interval_ms !== undefined) settings.auth.refreshIntervalMs = auth.refresh_interval_ms;
  }
  if (aws) {
    settings.aws = {
      ...(aws.profile !== undefined && { profile: aws.profile }),
      ...(aws.region !== undefined && { region: aws.region }),
      ...(aws.credential_export && { credentialExport: commandOf(aws.credential_export) }),
      ...(aws.auth_refresh && { authRefresh: commandOf(aws.auth_refresh) }),
    };
  }
  return settings;
}

function commandOf(table: {
  command?: string | undefined;
  args?: string[] | undefined;
  timeout_ms?: number | undefined;
}): CommandSettings {
  return {
    command: table.command ?? "",
    ...(table.args && { args: table.args }),
    ...(table.timeout_ms !== undefined && { timeoutMs: table.timeout_ms }),
  };
}

function extraHeaders(table: ProviderTable, context: Context): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(table.http_headers ?? {})) headers[name.toLowerCase()] = value;
  for (const [name, variable] of Object.entries(table.env_http_headers ?? {})) {
    const value = context.env[variable];
    if (value) headers[name.toLowerCase()] = value;
  }
  return headers;
}
