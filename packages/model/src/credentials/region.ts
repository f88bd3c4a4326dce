/** Which AWS region is meant, and who said so. */

import { regionOfShortTermKey } from "@moho/aws";
import { type Profiles, readProfiles } from "./profiles.ts";
import { needsProfiles } from "./sources.ts";
import type { CredentialSettings, CredentialWorld } from "./types.ts";

export interface RegionChoice {
  region: string;
  /** For people: `AWS_REGION`. */
  source: string;
}

/** The region for `settings`; the shared files are read only when nothing before them names one. */
export async function findRegion(
  settings: CredentialSettings,
  world: Pick<CredentialWorld, "env" | "home">,
): Promise<RegionChoice | undefined> {
  const bearer = !needsProfiles(settings, world.env) && Boolean(world.env["AWS_BEARER_TOKEN_BEDROCK"]);
  return (
    chooseRegion(settings, world.env, undefined, bearer) ??
    chooseRegion(settings, world.env, await readProfiles(world), bearer)
  );
}

/**
 * Configuration, `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile in use, the short-term key. A key in use is bound
 * to its region, so the region of a profile that is *not* in use comes after it.
 */
export function chooseRegion(
  settings: CredentialSettings,
  env: CredentialWorld["env"],
  profiles: Profiles | undefined,
  bearer: boolean,
): RegionChoice | undefined {
  const configured = settings.aws?.region;
  if (configured) return { region: configured, source: `model_providers.${settings.provider}.aws.region` };
  for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION"]) {
    const region = env[name];
    if (region) return { region, source: name };
  }
  const name = settings.aws?.profile ?? (env["AWS_PROFILE"] || "default");
  const inProfile = profiles?.profiles.get(name)?.["region"];
  const ofProfile = inProfile ? { region: inProfile, source: `profile ${name}` } : undefined;
  const inKey = bearer ? regionOfShortTermKey((env["AWS_BEARER_TOKEN_BEDROCK"] ?? "").trim()) : undefined;
  return inKey ? { region: inKey, source: "the short-term key" } : ofProfile;
}
