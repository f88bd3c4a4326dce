/** What a refusal of credentials means for the user. */

import { readProfiles } from "./profiles.ts";
import { listSources } from "./sources.ts";
import type { Auth, CredentialSettings, CredentialWorld } from "./types.ts";

/** Names the source that was refused, whether it has expired, and what would be used in its place. */
export async function explainRefusal(
  auth: Auth,
  settings: CredentialSettings,
  world: CredentialWorld,
): Promise<string> {
  const sources = listSources(settings, world, await readProfiles(world));
  const others = sources.filter(
    ({ label, absent, kind }) => absent === undefined && label !== auth.source && kind !== "instance",
  );
  const end =
    auth.kind === "sigv4" ? auth.credentials.expiration : auth.kind === "bearer" ? auth.expiresAt : undefined;
  const expired =
    end !== undefined && end <= world.now() ? `, which expired at ${new Date(end).toISOString()}` : "";
  const also = others.map(({ label }) => label).join(", ");
  return `The credentials came from ${auth.source}${expired}.${also ? ` Also configured, and not used while it is there: ${also}.` : ""}`;
}
