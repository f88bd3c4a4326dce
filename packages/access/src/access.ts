/** Puts access together: authentication, authorisation and administration over one set of documents. */

import { MohoError } from "@moho/protocol";
import type { Documents } from "@moho/store";
import { Administration } from "./administration.ts";
import { createAuthenticator } from "./authenticate.ts";
import { decide } from "./authorize.ts";
import { openDirectory } from "./directory.ts";
import type { CompiledPolicy } from "./policy/compile.ts";
import type { Access } from "./ports.ts";
import type { Seal } from "./seal.ts";

export interface AccessOptions {
  documents: Documents;
  /** Seals the secrets of access keys; see `createSeal`. */
  seal: Seal;
  /** Epoch milliseconds. */
  clock: () => number;
  random: (bytes: number) => Uint8Array;
  /** Twelve digits: the account that ARNs name. */
  account: string;
  /** For example `aws`. */
  partition: string;
  /** Regions that signatures and short-term keys may be scoped to; empty for any. */
  regions: readonly string[];
  /** Hosts that clients may have signed for when a proxy in front rewrites `host`. */
  alternateHosts?: readonly string[];
}

export interface AccessControl extends Access {
  readonly administration: Administration;
}

/**
 * Changes made through `administration` hold at once, those of other processes within three seconds.
 * Throws `invalid_config` when the account is not twelve digits.
 */
export function createAccess(options: AccessOptions): AccessControl {
  const { documents, seal, clock, random, account, partition, regions, alternateHosts = [] } = options;
  if (!/^\d{12}$/.test(account))
    throw new MohoError(
      "invalid_config",
      `The account must have twelve digits, not ${JSON.stringify(account)}.`,
    );
  const directory = openDirectory(documents, seal, clock);
  return {
    ...createAuthenticator({ directory, clock, account, regions, alternateHosts }),
    async authorize(request) {
      const policies: CompiledPolicy[] = [];
      for (const name of request.principal.policies) {
        const policy = directory.policies.get(name);
        const compiled = policy instanceof Promise ? await policy : policy;
        if (!compiled) throw lostPolicy(name, request.principal.name);
        policies.push(compiled);
      }
      return decide(request, policies, clock());
    },
    administration: new Administration({ documents, directory, seal, clock, random, account, partition }),
  };
}

/** It may have held a Deny, so nothing can be decided without it. */
function lostPolicy(policy: string, principal: string): MohoError {
  return new MohoError(
    "internal",
    `The policy ${JSON.stringify(policy)} attached to ${JSON.stringify(principal)} is not stored: access cannot be decided.`,
  );
}
