/** One table for every spelling of a model: where it is served, how the endpoint spells it, its limits and price. */

import { describeRegion, hostOf } from "@moho/aws";
import { type ModelPrice, MohoError, type TokenPrice } from "@moho/protocol";
import { nearest } from "@moho/wire";
import type { ModelInfo } from "../ports.ts";
import { type CatalogueRow, MODELS, type PriceRow } from "./models.ts";
import { readSpelling, type Spelling } from "./spelling.ts";

export type Provider = "amazon-bedrock" | "amazon-bedrock-runtime" | "openai-compatible";

export interface ModelQuestion {
  /** Mantle id, Runtime id, profile id, ARN or bare name. */
  model: string;
  provider: Provider;
  /** May be left out only when `baseUrl` is given. */
  region?: string;
  /** Replaces the host; and the path too when it has one. Service, region and model id stay derived. */
  baseUrl?: string;
  /** Epoch milliseconds: prices have a first day. */
  now: number;
}

export interface ResolvedModel {
  info: ModelInfo;
  /** `/responses` is appended to it. No slash at the end. */
  baseUrl: string;
  /** The SigV4 service; `undefined` where nothing is signed. */
  service: "bedrock-mantle" | "bedrock" | undefined;
  region: string | undefined;
  partition: string | undefined;
  /** What the user should know; none of it stops a call. */
  warnings: readonly string[];
  /** Names that look like what was asked for; empty when it is known. */
  nearest: readonly string[];
}

const BY_NAME = new Map<string, CatalogueRow>(
  MODELS.flatMap((row) =>
    [row.name, `openai.${row.name}`, ...(row.aliases ?? [])].map((name): [string, CatalogueRow] => [
      name,
      row,
    ]),
  ),
);

/** Never fails for an unknown model or region: these pass through with a warning. Throws `invalid_config` without a place to send to. */
export function resolveModel(question: ModelQuestion): ResolvedModel {
  const spelling = readSpelling(question.model);
  const row = BY_NAME.get(spelling.core);
  const region = question.region;
  const partition = region === undefined ? undefined : describeRegion(region).partition;
  const id = endpointId(spelling, row, question.provider, region);
  const close = row
    ? []
    : nearest(
        spelling.core.replace(/^openai\./, ""),
        MODELS.map((model) => model.name),
      );
  return {
    info: row
      ? knownInfo(row, id, priceAt(row, question, readSpelling(id).prefix, partition))
      : guessedInfo(id),
    baseUrl: baseUrlOf(question, row, spelling),
    service: SERVICES[question.provider],
    region,
    partition,
    warnings: warningsOf(question, spelling, row, id, close),
    nearest: close,
  };
}

/** The base URL alone, for a gateway's upstream that serves many models. Throws `invalid_config` as {@link resolveModel}. */
export function baseUrlFor(question: Omit<ModelQuestion, "now">): string {
  const spelling = readSpelling(question.model);
  return baseUrlOf(question, BY_NAME.get(spelling.core), spelling);
}

const SERVICES = {
  "amazon-bedrock": "bedrock-mantle",
  "amazon-bedrock-runtime": "bedrock",
  "openai-compatible": undefined,
} as const;

/** How the endpoint spells the model. */
function endpointId(
  spelling: Spelling,
  row: CatalogueRow | undefined,
  provider: Provider,
  region: string | undefined,
): string {
  if (provider === "openai-compatible") return spelling.text;
  if (provider === "amazon-bedrock") {
    if (row) return row.mantle?.id ?? `openai.${row.name}`;
    if (spelling.core.startsWith("gpt-")) return `openai.${spelling.core}`;
    return spelling.arnKind === "foundation-model" ? spelling.core : spelling.text;
  }
  if (!row || (spelling.arn && spelling.arnKind !== "foundation-model")) return spelling.text;
  const id = row.runtime?.id ?? `openai.${row.name}`;
  const prefix = spelling.prefix ?? defaultPrefix(row, region);
  return prefix === undefined || row.runtime?.profiles.length === 0 ? id : `${prefix}.${id}`;
}

/** The geography's own profile when there is one, so that data stays there; else the global one. */
function defaultPrefix(row: CatalogueRow, region = ""): string | undefined {
  const profiles = row.runtime?.profiles ?? [];
  const geography = geographyOf(region);
  return (
    profiles.find((profile) => profile === geography) ?? (profiles.includes("global") ? "global" : undefined)
  );
}

function geographyOf(region: string): string {
  if (region.startsWith("us-gov-")) return "us-gov";
  return region.slice(0, Math.max(0, region.indexOf("-")));
}

function baseUrlOf(
  question: Omit<ModelQuestion, "now">,
  row: CatalogueRow | undefined,
  spelling: Spelling,
): string {
  const path = question.provider === "amazon-bedrock" ? mantlePath(row, spelling) : "/openai/v1";
  if (question.baseUrl !== undefined) return withPath(question.baseUrl, question.provider, path);
  if (question.provider === "openai-compatible")
    throw new MohoError("invalid_config", "This model provider has no `base_url`.");
  if (question.region === undefined)
    throw new MohoError(
      "invalid_config",
      `No AWS region: set \`model_providers.${question.provider}.aws.region\`, AWS_REGION or AWS_DEFAULT_REGION, or a \`region\` in the AWS profile.`,
    );
  if (!/^[a-z0-9-]{1,40}$/.test(question.region))
    throw new MohoError(
      "invalid_config",
      `\`${question.region.slice(0, 60)}\` is not the name of an AWS region.`,
    );
  const endpoint = question.provider === "amazon-bedrock" ? "mantle" : "runtime";
  return `https://${hostOf(endpoint, question.region)}${path}`;
}

/** Unknown models: OpenAI's and the two makers that share its path; other makers' open weights have the short one. */
function mantlePath(row: CatalogueRow | undefined, spelling: Spelling): "/openai/v1" | "/v1" {
  if (row) return row.mantle?.path ?? "/openai/v1";
  const hasMaker = /^[a-z0-9]+\.[a-z]/.test(spelling.core);
  return hasMaker && !/^(openai\.(?!gpt-oss)|google\.gemma-4|xai\.)/.test(spelling.core)
    ? "/v1"
    : "/openai/v1";
}

/** A base URL with a path is taken as it is; a bare host of a Bedrock provider gets the path that Bedrock has. */
function withPath(baseUrl: string, provider: Provider, path: string): string {
  let url: URL;
  try {
    url = new URL(baseUrl);
  } catch (cause) {
    throw new MohoError("invalid_config", `\`base_url\` is not a URL: ${baseUrl.slice(0, 200)}`, { cause });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new MohoError(
      "invalid_config",
      `\`base_url\` must start with http:// or https://, not ${url.protocol}//`,
    );
  const given = url.pathname.replace(/\/+$/, "");
  return url.origin + (given === "" && provider !== "openai-compatible" ? path : given);
}

function knownInfo(row: CatalogueRow, id: string, price: ModelPrice | undefined): ModelInfo {
  return {
    id,
    contextWindow: row.contextWindow,
    maxOutput: row.maxOutput,
    patchTool: row.patchTool,
    efforts: row.efforts,
    ...(row.defaultEffort !== undefined && { defaultEffort: row.defaultEffort }),
    parallelTools: row.parallelTools,
    verbosity: row.verbosity,
    price,
    known: true,
  };
}

/** The least that the models served today can do. */
function guessedInfo(id: string): ModelInfo {
  return {
    id,
    contextWindow: 128_000,
    maxOutput: 16_000,
    patchTool: "function",
    efforts: [],
    parallelTools: false,
    verbosity: false,
    price: undefined,
    known: false,
  };
}

/** What a token costs there on that day; `undefined` where AWS publishes no such price. */
function priceAt(
  row: CatalogueRow,
  question: ModelQuestion,
  prefix: string | undefined,
  partition: string | undefined,
): ModelPrice | undefined {
  if (question.provider === "openai-compatible") return undefined;
  if (partition !== undefined && partition !== "aws" && partition !== "aws-us-gov") return undefined;
  const day = new Date(question.now).toISOString().slice(0, 10);
  const price = row.prices.findLast((candidate) => candidate.from <= day) ?? row.prices[0];
  if (!price) return undefined;
  const scope = partition === "aws-us-gov" ? "gov" : prefix === "global" ? "global" : "regional";
  const percent = price.percent[scope];
  return percent === undefined ? undefined : scaled(price, percent);
}

function scaled(price: PriceRow, percent: number): ModelPrice {
  const scale = (list: TokenPrice): TokenPrice => ({
    input: Math.ceil((list.input * percent) / 100),
    cacheRead: Math.ceil((list.cacheRead * percent) / 100),
    cacheWrite: Math.ceil((list.cacheWrite * percent) / 100),
    output: Math.ceil((list.output * percent) / 100),
  });
  const long = price.longContext;
  return {
    ...scale(price.list),
    ...(long && { longContext: { above: long.above, price: scale(long.list) } }),
  };
}

function warningsOf(
  question: ModelQuestion,
  spelling: Spelling,
  row: CatalogueRow | undefined,
  id: string,
  close: readonly string[],
): string[] {
  const { provider, region } = question;
  const warnings: string[] = [];
  if (provider === "openai-compatible") return warnings;
  if (!row) {
    const hint = close.length > 0 ? ` Near it: ${close.join(", ")}.` : "";
    warnings.push(
      `Model \`${spelling.text}\` is not in the catalogue: its limits are guessed, its price is unknown.${hint}`,
    );
  }
  if (/-v\d+$/i.test(spelling.text) && row) warnings.push(`\`${spelling.text}\` is written \`${id}\`.`);
  if (spelling.arnKind === "application-inference-profile")
    warnings.push(
      "Application inference profiles are refused on Bedrock's OpenAI routes; name the model instead.",
    );
  if (row && !(provider === "amazon-bedrock" ? row.mantle : row.runtime))
    warnings.push(`${row.name} is not known to be served by ${provider}.`);
  if (region !== undefined) warnings.push(...placeWarnings(provider, region, spelling, row));
  return warnings;
}

function placeWarnings(
  provider: Provider,
  region: string,
  spelling: Spelling,
  row: CatalogueRow | undefined,
): string[] {
  const place = describeRegion(region);
  const warnings: string[] = [];
  if (!place.known) warnings.push(`Region \`${region}\` is not in Moho's table; it is tried as it stands.`);
  else if (provider === "amazon-bedrock" && !place.mantle)
    warnings.push(`Region ${region} is not known to have a Bedrock Mantle endpoint.`);
  const regions = provider === "amazon-bedrock" ? row?.mantle?.regions : undefined;
  if (row && regions && place.mantle && !regions.includes(region))
    warnings.push(`${row.name} is not known to be served in ${region}; known: ${regions.join(", ")}.`);
  if (spelling.arn && spelling.arn.region !== "" && spelling.arn.region !== region)
    warnings.push(`The ARN names region ${spelling.arn.region}, but the call goes to ${region}.`);
  if (spelling.arn && spelling.arn.partition !== place.partition)
    warnings.push(
      `The ARN names partition ${spelling.arn.partition}, but ${region} is in ${place.partition}.`,
    );
  const misplaced =
    provider === "amazon-bedrock-runtime" && spelling.prefix !== undefined && spelling.prefix !== "global";
  if (misplaced && !GEOGRAPHIES[spelling.prefix!]?.some((start) => region.startsWith(start)))
    warnings.push(`Profile prefix \`${spelling.prefix}.\` does not belong to ${region}.`);
  return warnings;
}

/** Which regions a profile prefix is called from. */
const GEOGRAPHIES: Readonly<Record<string, readonly string[]>> = {
  "us-gov": ["us-gov-"],
  us: ["us-east-", "us-west-", "ca-"],
  eu: ["eu-"],
  apac: ["ap-"],
  jp: ["ap-northeast-"],
  au: ["ap-southeast-"],
  in: ["ap-south-"],
};
