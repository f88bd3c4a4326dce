/** Builds what a gateway works with: store, sealed secrets, access, upstreams, the price table. */

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type AccessControl, createAccess, createSeal } from "@moho/access";
import { describeRegion } from "@moho/aws";
import { checkSettings, createGateway, type Gateway, type GatewaySettings, type Logger } from "@moho/gateway";
import {
  createBedrockMantle,
  createCredentials,
  createOpenAiCompatible,
  createScripted,
  createUndiciTransport,
  fixedCredentials,
  parseScript,
  resolveModel,
  type Transport,
  type Upstream,
} from "@moho/model";
import { type ModelPrice, MohoError } from "@moho/protocol";
import { openStore, type Store } from "@moho/store";
import type { GatewayConfig, UpstreamConfig } from "../commands/gateway/config.ts";
import type { Context } from "../context.ts";
import { credentialWorld } from "./provider.ts";

/** What administration works on, also beside a running gateway. */
export interface ComposedStore {
  store: Store;
  access: AccessControl;
}

export interface ComposedGateway extends ComposedStore {
  gateway: Gateway;
  close(): Promise<void>;
}

const SEAL_BYTES = 32;

export async function composeStore(config: GatewayConfig): Promise<ComposedStore> {
  const file = sealKeyFile(config);
  const known = readSealKey(file);
  const store = await openStore(config.database_url, {
    synchronous: config.synchronous as "normal" | "full",
  });
  const access = createAccess({
    documents: store.documents,
    seal: createSeal(known ?? makeSealKey(file), randomBytes),
    clock: Date.now,
    random: randomBytes,
    account: config.account,
    partition: describeRegion(config.region).partition,
    regions: config.regions ?? [config.region],
    ...(config.alternate_hosts && { alternateHosts: config.alternate_hosts }),
  });
  return { store, access };
}

/** Beside the database when no file is set; a store in memory needs no key that outlives it. */
function sealKeyFile(config: GatewayConfig): string | undefined {
  const sqlite = /^sqlite:(.+)$/.exec(config.database_url)?.[1];
  return config.seal_key_file ?? (sqlite === undefined ? undefined : `${sqlite}.seal.key`);
}

/** `undefined` when there is none yet. */
function readSealKey(file: string | undefined): Buffer | undefined {
  if (file === undefined || !existsSync(file)) return undefined;
  const key = Buffer.from(readFileSync(file, "utf8").trim(), "base64");
  if (key.length === SEAL_BYTES) return key;
  throw new MohoError("invalid_config", `${file} does not hold ${SEAL_BYTES} bytes in base64.`);
}

/** Made on first use, for its owner only. When another process makes it at the same time, one of the two fails. */
function makeSealKey(file: string | undefined): Buffer {
  const key = randomBytes(SEAL_BYTES);
  if (file === undefined) return key;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, `${key.toString("base64")}\n`, { mode: 0o600, flag: "wx" });
  return key;
}

/** Nothing is opened or made before the settings are known to be right. */
export async function composeGateway(
  context: Context,
  config: GatewayConfig,
  logger: Logger,
): Promise<ComposedGateway> {
  const transport = createUndiciTransport();
  const upstreams = new Map<string, Upstream>();
  for (const one of config.upstreams)
    upstreams.set(one.name, composeUpstream(context, one, config, transport));
  const settings = settingsOf(config);
  checkSettings(settings, upstreams);
  const { store, access } = await composeStore(config);
  const gateway = createGateway(
    {
      access,
      ledger: store.ledger,
      log: store.log,
      upstreams,
      models: priceTable(config),
      clock: Date.now,
      random: randomBytes,
      logger,
    },
    settings,
  );
  return {
    store,
    access,
    gateway,
    async close() {
      for (const upstream of upstreams.values()) await upstream.close();
      await transport.close();
      await store.close();
    },
  };
}

function composeUpstream(
  context: Context,
  one: UpstreamConfig,
  config: GatewayConfig,
  transport: Transport,
): Upstream {
  checkBaseUrl(one);
  const common = { name: one.name, transport, now: Date.now };
  switch (one.kind) {
    case "bedrock-mantle": {
      const region = one.region ?? config.region;
      const world = credentialWorld(context, one.base_url === undefined ? transport : undefined);
      const aws = { region, ...(one.profile !== undefined && { profile: one.profile }) };
      const credentials = createCredentials({ provider: one.name, aws }, world);
      const baseUrl = one.base_url === undefined ? {} : { baseUrl: one.base_url };
      return createBedrockMantle({ ...common, credentials, region, ...baseUrl });
    }
    case "openai-compatible":
      if (one.base_url === undefined)
        throw new MohoError("invalid_config", `The upstream "${one.name}" has no \`base_url\`.`);
      return createOpenAiCompatible({ ...common, baseUrl: one.base_url, credentials: keyOf(context, one) });
    default:
      if (one.script === undefined)
        throw new MohoError("invalid_config", `The upstream "${one.name}" has no \`script\`.`);
      return createScripted({ name: one.name, now: Date.now, script: parseScript(readScript(one.script)) });
  }
}

function checkBaseUrl({ name, base_url: given }: UpstreamConfig): void {
  if (given === undefined) return;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return;
  throw new MohoError("invalid_config", `The upstream "${name}" has a base URL that is no address.`, {
    next: "Write an http or https URL, for example http://127.0.0.1:11434/v1.",
  });
}

function keyOf(context: Context, one: UpstreamConfig) {
  const name = one.api_key_env;
  if (name === undefined) return fixedCredentials({ kind: "none", source: one.name });
  const token = context.env[name];
  if (token) return fixedCredentials({ kind: "bearer", token, source: name, expiresAt: undefined });
  throw new MohoError("no_credentials", `The variable ${name} of upstream "${one.name}" is not set.`);
}

function readScript(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new MohoError("invalid_config", `The script ${path} cannot be read.`, { cause });
  }
}

/** The operator's own prices first, then the catalogue's for the gateway's region. */
function priceTable(config: GatewayConfig) {
  const own = new Map(
    config.prices.map((row) => {
      const price: ModelPrice = {
        input: perMillion(row.input),
        cacheRead: perMillion(row.cache_read ?? row.input),
        cacheWrite: perMillion(row.cache_write ?? row.input),
        output: perMillion(row.output),
      };
      return [row.model, { price, contextWindow: row.context_window, maxOutput: row.max_output }] as const;
    }),
  );
  const known = new Map<
    string,
    { price: ModelPrice | undefined; contextWindow: number; maxOutput: number } | undefined
  >();
  return (model: string) => {
    const row = own.get(model);
    if (row) return row;
    if (!known.has(model)) {
      if (known.size > 1000) known.clear();
      const region = config.region;
      const { info } = resolveModel({ model, provider: "amazon-bedrock", region, now: Date.now() });
      known.set(model, info.known ? info : undefined);
    }
    return known.get(model);
  };
}

/** Dollars per million tokens to nano-dollars per token. */
function perMillion(usd: number): number {
  return Math.ceil(usd * 1000);
}

function settingsOf(config: GatewayConfig): GatewaySettings {
  const limits: Record<string, number> = {};
  for (const [key, value] of Object.entries(config.limits ?? {}))
    if (value !== undefined)
      limits[key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())] = value;
  return {
    region: config.region,
    account: config.account,
    partition: describeRegion(config.region).partition,
    routes: config.routes.map((row) => ({
      model: row.model,
      upstream: row.upstream,
      ...(row.upstream_model !== undefined && { upstreamModel: row.upstream_model }),
    })),
    projects: config.projects,
    freeModels: config.free_models,
    limits,
  };
}
