/** What `moho auth status` shows: every source, the winner, the losers and why. */

import { classifyBearer } from "@moho/aws";
import { toMohoError } from "@moho/protocol";
import { createCredentials } from "./cache.ts";
import { askCallerIdentity, type CallerIdentity } from "./identity.ts";
import { masked } from "./principal.ts";
import { readProfiles } from "./profiles.ts";
import { chooseRegion, type RegionChoice } from "./region.ts";
import { listSources } from "./sources.ts";
import type { Auth, CredentialSettings, CredentialWorld } from "./types.ts";

export interface CredentialReport {
  provider: string;
  /** `undefined` when nothing is configured. */
  winner: WinnerReport | undefined;
  /** The other sources in order, and why each is not used. */
  losers: { source: string; reason: string }[];
  region: RegionChoice | undefined;
}

export interface WinnerReport {
  source: string;
  kind: "sigv4" | "short-term key" | "long-term key" | "bearer token" | undefined;
  /** With its middle left out. */
  accessKeyId?: string;
  /** Epoch milliseconds. */
  expiresAt?: number;
  /** Who STS says is calling, unless it was not asked or could not tell. */
  principal?: CallerIdentity;
  /** Why the principal is unknown. */
  principalProblem?: string;
  /** Why the source yields nothing, and what to do. */
  problem?: { message: string; next: string };
}

/** Takes the winner's credentials once and, unless `offline`, asks STS. Never throws for what is only wrong. */
export async function explainCredentials(
  settings: CredentialSettings,
  world: CredentialWorld,
  options: { offline?: boolean } = {},
): Promise<CredentialReport> {
  const profiles = await readProfiles(world);
  const sources = listSources(settings, world, profiles);
  const source = sources.find(({ absent }) => absent === undefined);
  const region = chooseRegion(settings, world.env, profiles, source?.kind === "bearer");
  const losers = sources
    .filter((other) => other !== source)
    .map(({ label, absent }) => ({ source: label, reason: absent ?? `${source?.label} comes before it` }));
  if (!source) return { provider: settings.provider, winner: undefined, losers, region };
  const winner: WinnerReport = { source: source.label, kind: undefined };
  try {
    const auth = await createCredentials(withoutLogin(settings), world).current();
    Object.assign(winner, describe(auth));
    if (!options.offline) Object.assign(winner, await principal(auth, world, region?.region));
  } catch (error) {
    const { message, next, code } = toMohoError(error);
    // The last resort is configured by being there at all: without an answer there is no source.
    if (source.kind === "instance" && code === "no_credentials") {
      losers.push({ source: source.label, reason: "this machine has no instance role" });
      return { provider: settings.provider, winner: undefined, losers, region };
    }
    winner.problem = { message, next };
  }
  return { provider: settings.provider, winner, losers, region };
}

/** Looking at the state must not open a browser. */
function withoutLogin(settings: CredentialSettings): CredentialSettings {
  const { authRefresh: _, ...aws } = settings.aws ?? {};
  return { ...settings, aws };
}

function describe(auth: Auth): Partial<WinnerReport> {
  if (auth.kind === "sigv4") {
    const { accessKeyId, expiration } = auth.credentials;
    return {
      kind: "sigv4",
      accessKeyId: masked(accessKeyId),
      ...(expiration !== undefined && { expiresAt: expiration }),
    };
  }
  if (auth.kind !== "bearer") return {};
  const form = classifyBearer(auth.token);
  return {
    kind: form === "other" ? "bearer token" : `${form} key`,
    ...(auth.expiresAt !== undefined && form === "short-term" && { expiresAt: auth.expiresAt }),
  };
}

async function principal(
  auth: Auth,
  world: CredentialWorld,
  region: string | undefined,
): Promise<Partial<WinnerReport>> {
  if (auth.kind !== "sigv4") return { principalProblem: "STS cannot tell the owner of a bearer token." };
  try {
    return { principal: await askCallerIdentity(auth.credentials, world, region) };
  } catch (error) {
    return { principalProblem: toMohoError(error).message };
  }
}
