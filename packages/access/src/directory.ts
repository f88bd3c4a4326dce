/** Principals, keys and policies, ready to be used: secrets unsealed, policies compiled. */

import type { Documents } from "@moho/store";
import { type CompiledPolicy, compilePolicy } from "./policy/compile.ts";
import { PreparedDocuments } from "./prepared.ts";
import {
  type AccessKeyRecord,
  type ApiKeyRecord,
  KINDS,
  type PolicyRecord,
  type PrincipalRecord,
} from "./records.ts";
import type { Seal } from "./seal.ts";

/** How long another process's change may go unseen. */
const FRESH_MS = 3000;
const LIMIT = 10_000;

export interface AccessKey extends Omit<AccessKeyRecord, "secret"> {
  id: string;
  secretAccessKey: string;
}

export interface Directory {
  principals: PreparedDocuments<PrincipalRecord, PrincipalRecord>;
  policies: PreparedDocuments<PolicyRecord, CompiledPolicy>;
  accessKeys: PreparedDocuments<AccessKeyRecord, AccessKey>;
  apiKeys: PreparedDocuments<ApiKeyRecord, ApiKeyRecord>;
}

export function openDirectory(documents: Documents, seal: Seal, clock: () => number): Directory {
  const common = { documents, clock, freshMs: FRESH_MS, limit: LIMIT };
  return {
    principals: new PreparedDocuments<PrincipalRecord, PrincipalRecord>({
      ...common,
      kind: KINDS.principal,
      prepare: (record) => record,
    }),
    policies: new PreparedDocuments<PolicyRecord, CompiledPolicy>({
      ...common,
      kind: KINDS.policy,
      prepare: (record, name) => compilePolicy(name, record.document),
    }),
    accessKeys: new PreparedDocuments<AccessKeyRecord, AccessKey>({
      ...common,
      kind: KINDS.accessKey,
      prepare: ({ secret, ...record }, id) => ({ ...record, id, secretAccessKey: seal.open(secret, id) }),
    }),
    apiKeys: new PreparedDocuments<ApiKeyRecord, ApiKeyRecord>({
      ...common,
      kind: KINDS.apiKey,
      prepare: (record) => record,
    }),
  };
}
