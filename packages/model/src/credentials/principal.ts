/** Credentials may be renewed, but the principal behind them may not change (AUTH-4). */

import { MohoError } from "@moho/protocol";
import { askCallerIdentity, principalOf } from "./identity.ts";
import type { Source } from "./sources.ts";
import type { Auth, CredentialWorld } from "./types.ts";

/** Credentials in use, and where they came from. */
export interface Holding {
  auth: Auth;
  source: Source;
  /** Of the shared files at that time. */
  fingerprint: string;
  /** Epoch milliseconds; infinite when nothing says so. */
  expiresAt: number;
  refreshAt: number;
  /** The principal by STS, or that question under way. */
  principal?: Promise<string | undefined>;
}

/** Asks STS whose credentials these are, until it has told. */
export function principalBehind(
  holding: Holding,
  world: CredentialWorld,
  region: string | undefined,
): Promise<string | undefined> {
  const { auth } = holding;
  if (auth.kind !== "sigv4") return Promise.resolve(undefined);
  holding.principal ??= askCallerIdentity(auth.credentials, world, region).then(
    ({ arn }) => principalOf(arn),
    () => {
      delete holding.principal;
      return undefined;
    },
  );
  return holding.principal;
}

/**
 * Throws `principal_changed` when `after` is, or may be, somebody else. A renewal under an unchanged configuration
 * is trusted when STS cannot tell; a changed file is not.
 */
export async function assertSamePrincipal(
  before: Holding,
  after: Holding,
  world: CredentialWorld,
  region: string | undefined,
): Promise<void> {
  if (!world.transport || before.auth.kind !== "sigv4" || after.auth.kind !== "sigv4") return;
  const [old, now] = [before.auth.credentials.accessKeyId, after.auth.credentials.accessKeyId];
  if (old === now) return;
  if (before.source.declared !== undefined && before.source.declared === after.source.declared) return;
  const [was, is] = await Promise.all([
    principalBehind(before, world, region),
    principalBehind(after, world, region),
  ]);
  const known = was !== undefined && is !== undefined;
  if (known ? was === is : before.fingerprint === after.fingerprint) return;
  throw new MohoError(
    "principal_changed",
    known
      ? `${after.source.label}: the credentials now belong to ${is}; this run started as ${was}.`
      : `${after.source.label}: the access key changed from ${masked(old)} to ${masked(now)}, and STS could not confirm that both belong to one principal.`,
  );
}

/** Enough of an access key id to recognise it. */
export function masked(accessKeyId: string): string {
  return accessKeyId.length <= 8 ? "…" : `${accessKeyId.slice(0, 4)}…${accessKeyId.slice(-4)}`;
}
