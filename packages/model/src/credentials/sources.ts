/**
 * Which source of credentials is meant: configuration before environment before shared files (codex-behaviour §2.2).
 * The first that is *configured* is the one; when it fails nothing else is tried, so that nobody
 * becomes a different principal by accident (AUTH-4).
 */

import type { Profiles, Section } from "./profiles.ts";
import type { CredentialSettings, CredentialWorld } from "./types.ts";

export type SourceKind =
  | "auth-command"
  | "credential-export"
  | "profile"
  | "bearer"
  | "environment"
  | "web-identity"
  | "container"
  | "instance";

export interface Source {
  kind: SourceKind;
  /** For people: `profile dev (model_providers.amazon-bedrock.aws.profile)`. */
  label: string;
  /** `undefined` when it is configured, else why it is not. */
  absent: string | undefined;
  /** The profile's name and content, for `profile`. */
  profile?: { name: string; section: Section };
  /** Account and role when the configuration itself fixes them. */
  declared?: string;
}

/** What to do where nothing is configured. */
export const GET_CREDENTIALS =
  "Sign in with `aws sso login` and set AWS_PROFILE, or set AWS_BEARER_TOKEN_BEDROCK; `moho auth status` shows what was looked at.";

/** Whether the shared files must be read to know the source. */
export function needsProfiles(settings: CredentialSettings, env: CredentialWorld["env"]): boolean {
  if (settings.auth || settings.aws?.credentialExport) return false;
  return settings.aws?.profile !== undefined || !(hasBearer(env) || hasKeys(env));
}

/** Every source in order; the first without `absent` is the one that is used. */
export function listSources(
  settings: CredentialSettings,
  world: Pick<CredentialWorld, "env" | "home">,
  profiles: Profiles | undefined,
): Source[] {
  const { env } = world;
  const key = `model_providers.${settings.provider}`;
  return [
    {
      kind: "auth-command",
      label: `command ${key}.auth`,
      absent: settings.auth ? undefined : "not configured",
    },
    {
      kind: "credential-export",
      label: `command ${key}.aws.credential_export`,
      absent: settings.aws?.credentialExport ? undefined : "not configured",
    },
    profileSource(settings.aws?.profile, `${key}.aws.profile`, profiles, true),
    {
      kind: "bearer",
      label: "AWS_BEARER_TOKEN_BEDROCK",
      absent: hasBearer(env) ? undefined : "not set",
    },
    {
      kind: "environment",
      label: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
      absent: hasKeys(env) ? undefined : missingKeys(env),
    },
    profileSource(env["AWS_PROFILE"] || undefined, "AWS_PROFILE", profiles, true),
    profileSource("default", "the default profile", profiles, false),
    webIdentity(env),
    {
      kind: "container",
      label: "container credentials",
      absent:
        env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] || env["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
          ? undefined
          : "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set",
    },
    {
      kind: "instance",
      label: "EC2 instance metadata",
      absent: isOn(env["AWS_EC2_METADATA_DISABLED"])
        ? "switched off by AWS_EC2_METADATA_DISABLED"
        : undefined,
    },
  ];
}

/** A named profile is meant even when it is missing: then that is the error. The default profile must exist to count. */
function profileSource(
  name: string | undefined,
  origin: string,
  profiles: Profiles | undefined,
  named: boolean,
): Source {
  if (name === undefined) return { kind: "profile", label: origin, absent: "not set" };
  const label = named ? `profile ${name} (${origin})` : origin;
  const section = profiles?.profiles.get(name) ?? {};
  const usable = named || holdsCredentials(section);
  return {
    kind: "profile",
    label,
    absent: usable ? undefined : "there is none, or it holds no credentials",
    profile: { name, section },
    ...declaredBy(section),
  };
}

const CREDENTIAL_KEYS = [
  "aws_access_key_id",
  "role_arn",
  "credential_process",
  "sso_session",
  "sso_start_url",
  "login_session",
] as const;

export function holdsCredentials(section: Section): boolean {
  return CREDENTIAL_KEYS.some((key) => section[key] !== undefined);
}

/** Keys that stand in the profile itself. A role on top of them needs the SDK. */
export function isStatic(section: Section): boolean {
  return (
    section["aws_access_key_id"] !== undefined &&
    section["aws_secret_access_key"] !== undefined &&
    section["role_arn"] === undefined
  );
}

function declaredBy(section: Section): { declared?: string } {
  if (section["role_arn"]) return { declared: section["role_arn"] };
  if (isStatic(section) || section["credential_process"]) return {};
  const { sso_account_id: account, sso_role_name: role } = section;
  return account && role ? { declared: `sso ${account}/${role}` } : {};
}

function webIdentity(env: CredentialWorld["env"]): Source {
  const configured = Boolean(env["AWS_WEB_IDENTITY_TOKEN_FILE"] && env["AWS_ROLE_ARN"]);
  return {
    kind: "web-identity",
    label: "web identity token file",
    absent: configured ? undefined : "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set",
    ...(configured && { declared: env["AWS_ROLE_ARN"] as string }),
  };
}

function hasBearer(env: CredentialWorld["env"]): boolean {
  return Boolean(env["AWS_BEARER_TOKEN_BEDROCK"]);
}

function hasKeys(env: CredentialWorld["env"]): boolean {
  return Boolean(env["AWS_ACCESS_KEY_ID"] && env["AWS_SECRET_ACCESS_KEY"]);
}

function missingKeys(env: CredentialWorld["env"]): string {
  if (env["AWS_ACCESS_KEY_ID"]) return "AWS_SECRET_ACCESS_KEY is missing";
  return env["AWS_SECRET_ACCESS_KEY"] ? "AWS_ACCESS_KEY_ID is missing" : "not set";
}

function isOn(flag: string | undefined): boolean {
  return flag !== undefined && flag !== "" && flag.toLowerCase() !== "false";
}
