/** Takes credentials from one source. One row a kind; none of them tries another. */

import { type AwsCredentials, parseShortTermKey } from "@moho/aws";
import { MohoError } from "@moho/protocol";
import { parseExportedCredentials, parseToken, runCommand } from "./command.ts";
import type { Profiles } from "./profiles.ts";
import { GET_CREDENTIALS, holdsCredentials, isStatic, type Source } from "./sources.ts";
import type { Auth, CommandSettings, CredentialSettings, CredentialWorld } from "./types.ts";

export interface LoadRequest {
  source: Source;
  settings: CredentialSettings;
  world: CredentialWorld;
  profiles: Profiles | undefined;
  region: string | undefined;
}

const TOKEN_TIMEOUT_MS = 5_000;
const TOKEN_REFRESH_MS = 300_000;
const EXPORT_TIMEOUT_MS = 60_000;

/** Throws `no_credentials`, `expired_credentials` or `invalid_config`, naming the source. */
export async function loadSource(request: LoadRequest): Promise<Auth> {
  const { source, settings, world } = request;
  const { env } = world;
  switch (source.kind) {
    case "auth-command":
      return loadToken(request, settings.auth as CommandSettings & { refreshIntervalMs?: number });
    case "credential-export": {
      const command = settings.aws?.credentialExport as CommandSettings;
      const text = await runCommand(command, runOptions(request, command, EXPORT_TIMEOUT_MS));
      return sigv4(source, parseExportedCredentials(text, source.label, world.now()));
    }
    case "bearer": {
      const token = parseToken(env["AWS_BEARER_TOKEN_BEDROCK"] ?? "", source.label);
      return { kind: "bearer", token, source: source.label, expiresAt: parseShortTermKey(token)?.expiresAt };
    }
    case "environment":
      return sigv4(source, environmentKeys(env));
    case "profile":
      return loadProfile(request);
    default:
      return sigv4(source, await withSdk(request));
  }
}

/** Sources that several processes must not refresh at the same time. */
export function isShared(source: Source): boolean {
  if (source.kind === "profile") return !isStatic(source.profile?.section ?? {});
  return source.kind === "auth-command" || source.kind === "credential-export";
}

/** Sources that cannot yield anything new while this process lives. */
export function isFixed(source: Source): boolean {
  return source.kind === "bearer" || source.kind === "environment";
}

async function loadToken(
  request: LoadRequest,
  command: CommandSettings & { refreshIntervalMs?: number },
): Promise<Auth> {
  const { source, world } = request;
  const text = await runCommand(command, runOptions(request, command, TOKEN_TIMEOUT_MS));
  const life = command.refreshIntervalMs ?? TOKEN_REFRESH_MS;
  const expiresAt = life > 0 ? world.now() + life : undefined;
  return { kind: "bearer", token: parseToken(text, source.label), source: source.label, expiresAt };
}

function runOptions(request: LoadRequest, command: CommandSettings, timeoutMs: number) {
  const { source, world } = request;
  return { env: world.env, label: source.label, timeoutMs: command.timeoutMs ?? timeoutMs };
}

async function loadProfile(request: LoadRequest): Promise<Auth> {
  const { source, profiles } = request;
  const name = source.profile?.name ?? "";
  const section = profiles?.profiles.get(name);
  if (!section)
    throw new MohoError(
      "no_credentials",
      `${source.label}: there is no such profile in ${profiles?.paths.config} or ${profiles?.paths.credentials}.`,
    );
  if (isStatic(section)) return sigv4(source, profileKeys(section));
  if (!holdsCredentials(section))
    throw new MohoError("no_credentials", `${source.label}: the profile holds no credentials.`);
  return sigv4(source, await withSdk(request));
}

async function withSdk(request: LoadRequest): Promise<AwsCredentials> {
  const { loadWithSdk } = await import("./aws-sdk.ts");
  try {
    return await loadWithSdk(request.source, request.profiles, request.region);
  } catch (cause) {
    throw sdkFailure(request.source, cause);
  }
}

/** What a `credential_process` printed or was called with may hold secrets: its failure is told without words. */
function sdkFailure(source: Source, cause: unknown): MohoError {
  if (source.profile?.section["credential_process"] !== undefined)
    return new MohoError("no_credentials", `${source.label}: its credential_process failed.`);
  const message = cause instanceof Error ? cause.message : String(cause);
  if (source.kind === "instance")
    return new MohoError(
      "no_credentials",
      `No AWS credentials found: nothing is configured, and this machine has no instance role (${message}).`,
      { cause, next: GET_CREDENTIALS },
    );
  const expired = /expired|invalid.*session|sso login|not found or is invalid/i.test(message);
  return new MohoError(expired ? "expired_credentials" : "no_credentials", `${source.label}: ${message}`, {
    cause,
    ...(expired && { next: `Run \`${loginCommand(source)}\`.` }),
  });
}

/** The exact command that signs in again. */
export function loginCommand(source: Source): string {
  const section = source.profile?.section ?? {};
  const verb = section["login_session"] !== undefined ? "aws login" : "aws sso login";
  const name = source.profile?.name;
  return name === undefined || name === "default" ? verb : `${verb} --profile ${name}`;
}

function sigv4(source: Source, credentials: AwsCredentials): Auth {
  return { kind: "sigv4", credentials, source: source.label };
}

function environmentKeys(env: CredentialWorld["env"]): AwsCredentials {
  const sessionToken = env["AWS_SESSION_TOKEN"];
  return {
    accessKeyId: env["AWS_ACCESS_KEY_ID"] as string,
    secretAccessKey: env["AWS_SECRET_ACCESS_KEY"] as string,
    ...(sessionToken && { sessionToken }),
  };
}

function profileKeys(section: Readonly<Record<string, string>>): AwsCredentials {
  const sessionToken = section["aws_session_token"];
  const accountId = section["aws_account_id"];
  return {
    accessKeyId: section["aws_access_key_id"] as string,
    secretAccessKey: section["aws_secret_access_key"] as string,
    ...(sessionToken && { sessionToken }),
    ...(accountId && { accountId }),
  };
}
