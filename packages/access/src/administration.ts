/** Principals, their keys and their policies, made and changed. A secret is returned once, by the call that makes it. */

import { type AwsCredentials, newLongTermKey } from "@moho/aws";
import { MohoError } from "@moho/protocol";
import type { Documents } from "@moho/store";
import type { Directory } from "./directory.ts";
import { type PolicyDocument, parsePolicy } from "./policy/document.ts";
import {
  type AccessKeyRecord,
  type ApiKeyRecord,
  apiKeyId,
  checkName,
  KINDS,
  newId,
  type PolicyRecord,
  type PrincipalRecord,
  sha256,
} from "./records.ts";
import type { Seal } from "./seal.ts";

export interface AdministrationOptions {
  documents: Documents;
  directory: Directory;
  seal: Seal;
  clock: () => number;
  random: (bytes: number) => Uint8Array;
  account: string;
  partition: string;
}

export interface PrincipalInfo extends PrincipalRecord {
  name: string;
}

export interface KeyInfo {
  id: string;
  kind: "access-key" | "api-key";
  principal: string;
  enabled: boolean;
  createdAt: string;
  /** Epoch milliseconds. */
  expiresAt?: number;
}

export interface NewApiKey {
  id: string;
  /** Shown this once. */
  key: string;
  expiresAt?: number;
}

const DAY_MS = 86_400_000;

export class Administration {
  readonly #options: AdministrationOptions;

  constructor(options: AdministrationOptions) {
    this.#options = options;
  }

  /** Throws `conflict` when the name is taken, `not_found` when a policy is not stored. */
  async createPrincipal(principal: {
    name: string;
    tags?: Record<string, string>;
    policies?: readonly string[];
  }): Promise<PrincipalInfo> {
    const { documents, random, account, partition } = this.#options;
    const { name, tags = {}, policies = [] } = principal;
    checkName("principal", name);
    for (const policy of policies) await this.#policy(policy);
    const record: PrincipalRecord = {
      id: newId("AIDA", random(16)),
      arn: `arn:${partition}:iam::${account}:user/${name}`,
      enabled: true,
      tags: { ...tags },
      policies: [...policies],
      createdAt: this.#now(),
    };
    await documents.put(KINDS.principal, name, record, 0);
    this.#options.directory.principals.forget(name);
    return { name, ...record };
  }

  async listPrincipals(): Promise<PrincipalInfo[]> {
    const all = await listAll<PrincipalRecord>(this.#options.documents, KINDS.principal);
    return all.map(({ id, value }) => ({ name: id, ...value }));
  }

  /** A disabled principal's keys are refused as if unknown. */
  async setPrincipalEnabled(name: string, enabled: boolean): Promise<void> {
    await this.#changePrincipal(name, (record) => ({ ...record, enabled }));
  }

  /** Stores or replaces a policy. Throws `invalid_request` naming the path of the first problem. */
  async putPolicy(name: string, document: unknown): Promise<void> {
    checkName("policy", name);
    const record: PolicyRecord = { document: parsePolicy(document) };
    await this.#options.documents.put(KINDS.policy, name, record);
    this.#options.directory.policies.forget(name);
  }

  async listPolicies(): Promise<{ name: string; document: PolicyDocument }[]> {
    const all = await listAll<PolicyRecord>(this.#options.documents, KINDS.policy);
    return all.map(({ id, value }) => ({ name: id, document: value.document }));
  }

  async attachPolicy(principal: string, policy: string): Promise<void> {
    await this.#policy(policy);
    await this.#changePrincipal(principal, (record) => ({
      ...record,
      policies: record.policies.includes(policy) ? record.policies : [...record.policies, policy],
    }));
  }

  async detachPolicy(principal: string, policy: string): Promise<void> {
    await this.#changePrincipal(principal, (record) => ({
      ...record,
      policies: record.policies.filter((name) => name !== policy),
    }));
  }

  /**
   * A new access key, or the `given` one. With `sessionSeconds` it is temporary: it has a session token and an end.
   * Throws `conflict` when the id is taken.
   */
  async issueAccessKey(
    principal: string,
    options: { given?: { accessKeyId: string; secretAccessKey: string }; sessionSeconds?: number } = {},
  ): Promise<AwsCredentials> {
    const { documents, directory, seal, random, account } = this.#options;
    await this.#principal(principal);
    const seconds = options.sessionSeconds;
    checkLife("sessionSeconds", seconds);
    const accessKeyId = options.given?.accessKeyId ?? newId(seconds ? "ASIA" : "AKIA", random(16));
    const secretAccessKey = options.given?.secretAccessKey ?? Buffer.from(random(30)).toString("base64");
    if (!/^\w{4,128}$/.test(accessKeyId) || secretAccessKey === "")
      throw new MohoError(
        "invalid_request",
        "An access key id has 4 to 128 letters and digits, and a secret.",
      );
    const session =
      seconds === undefined
        ? undefined
        : {
            sessionToken: Buffer.from(random(96)).toString("base64"),
            expiration: this.#options.clock() + seconds * 1000,
          };
    const record: AccessKeyRecord = {
      principal,
      enabled: true,
      createdAt: this.#now(),
      secret: seal.close(secretAccessKey, accessKeyId),
      ...(session ? { expiresAt: session.expiration, sessionTokenSha256: sha256(session.sessionToken) } : {}),
    };
    await documents.put(KINDS.accessKey, accessKeyId, record, 0);
    directory.accessKeys.forget(accessKeyId);
    return { accessKeyId, secretAccessKey, accountId: account, ...session };
  }

  /** A new long-term key, or the `given` text; only its hash is stored. Throws `conflict` when it is stored already. */
  async issueApiKey(principal: string, options: { given?: string; days?: number } = {}): Promise<NewApiKey> {
    const { documents, directory, random, account, clock } = this.#options;
    await this.#principal(principal);
    checkLife("days", options.days);
    const key = options.given ?? newLongTermKey({ account, random }).key;
    if (!/^[\x21-\x7e]{8,4096}$/.test(key))
      throw new MohoError("invalid_request", "An API key has 8 to 4096 printable characters and no space.");
    const digest = sha256(key);
    const id = apiKeyId(digest);
    const end = options.days === undefined ? {} : { expiresAt: clock() + options.days * DAY_MS };
    const record: ApiKeyRecord = { principal, enabled: true, createdAt: this.#now(), sha256: digest, ...end };
    await documents.put(KINDS.apiKey, id, record, 0);
    directory.apiKeys.forget(id);
    return { id, key, ...end };
  }

  /** Keys of one principal, or of all; never a secret or a hash. */
  async listKeys(principal?: string): Promise<KeyInfo[]> {
    const { documents } = this.#options;
    const accessKeys = await listAll<AccessKeyRecord>(documents, KINDS.accessKey);
    const apiKeys = await listAll<ApiKeyRecord>(documents, KINDS.apiKey);
    return [
      ...accessKeys.map(({ id, value }) => keyInfo(id, "access-key", value)),
      ...apiKeys.map(({ id, value }) => keyInfo(id, "api-key", value)),
    ].filter((key) => principal === undefined || key.principal === principal);
  }

  /** Disables or enables an access key or API key by its id. Short-term keys made from an access key go with it. */
  async setKeyEnabled(id: string, enabled: boolean): Promise<void> {
    const { documents, directory } = this.#options;
    for (const kind of [KINDS.accessKey, KINDS.apiKey]) {
      const found = await documents.get<AccessKeyRecord | ApiKeyRecord>(kind, id);
      if (!found) continue;
      await documents.put(kind, id, { ...found.value, enabled }, found.version);
      directory.accessKeys.forget(id);
      directory.apiKeys.forget(id);
      return;
    }
    throw new MohoError("not_found", `There is no key ${JSON.stringify(id)}.`);
  }

  async #principal(name: string): Promise<{ value: PrincipalRecord; version: number }> {
    const found = await this.#options.documents.get<PrincipalRecord>(KINDS.principal, name);
    if (!found) throw new MohoError("not_found", `There is no principal ${JSON.stringify(name)}.`);
    return found;
  }

  async #policy(name: string): Promise<void> {
    const found = await this.#options.documents.get<PolicyRecord>(KINDS.policy, name);
    if (!found) throw new MohoError("not_found", `There is no policy ${JSON.stringify(name)}.`);
  }

  async #changePrincipal(name: string, change: (record: PrincipalRecord) => PrincipalRecord): Promise<void> {
    const { value, version } = await this.#principal(name);
    await this.#options.documents.put(KINDS.principal, name, change(value), version);
    this.#options.directory.principals.forget(name);
  }

  #now(): string {
    return new Date(this.#options.clock()).toISOString();
  }
}

function checkLife(what: string, life: number | undefined): void {
  if (life !== undefined && !(Number.isFinite(life) && life > 0))
    throw new MohoError("invalid_request", `${what} must be a number above 0.`);
}

function keyInfo(id: string, kind: KeyInfo["kind"], record: AccessKeyRecord | ApiKeyRecord): KeyInfo {
  const { principal, enabled, createdAt, expiresAt } = record;
  return { id, kind, principal, enabled, createdAt, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

async function listAll<T>(documents: Documents, kind: string): Promise<{ id: string; value: T }[]> {
  const all: { id: string; value: T }[] = [];
  for (let page: { id: string; value: T }[], after = ""; ; after = page.at(-1)!.id) {
    page = await documents.list<T>(kind, { limit: 500, ...(after ? { after } : {}) });
    all.push(...page);
    if (page.length < 500) return all;
  }
}
