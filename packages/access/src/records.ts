/** What access stores: small documents by kind and id, and how their ids are made. */

import { hash } from "node:crypto";
import { MohoError } from "@moho/protocol";
import type { PolicyDocument } from "./policy/document.ts";

export const KINDS = {
  principal: "principal",
  policy: "policy",
  accessKey: "access-key",
  apiKey: "api-key",
} as const;

/** Id: the name. */
export interface PrincipalRecord {
  /** CloudTrail's `principalId`, for example `AIDA…`. */
  id: string;
  arn: string;
  enabled: boolean;
  tags: Record<string, string>;
  policies: string[];
  createdAt: string;
}

/** Id: the name. */
export interface PolicyRecord {
  document: PolicyDocument;
}

interface KeyRecord {
  /** Name of the principal it belongs to. */
  principal: string;
  enabled: boolean;
  createdAt: string;
  /** Epoch milliseconds. */
  expiresAt?: number;
}

/** Id: the access key id. */
export interface AccessKeyRecord extends KeyRecord {
  /** Sealed; bound to the access key id. */
  secret: string;
  /** Temporary credentials only: the hash of the session token that must come along. */
  sessionTokenSha256?: string;
}

/** Id: {@link apiKeyId} of the key. */
export interface ApiKeyRecord extends KeyRecord {
  sha256: string;
}

export function sha256(text: string): string {
  return hash("sha256", text, "hex");
}

/** `AKIA…`-like ids: four letters and sixteen of base 32. */
export function newId(prefix: string, bytes: Uint8Array): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let id = prefix;
  for (const byte of bytes.subarray(0, 16)) id += alphabet[byte & 31];
  return id;
}

/** The public id of an API key: taken from the key's hash, so the key finds its record and no record tells the key. */
export function apiKeyId(keySha256: string): string {
  return newId("ACCA", Buffer.from(keySha256, "hex"));
}

/** Throws `invalid_request` when `name` is not what AWS takes as a user or policy name. */
export function checkName(what: string, name: string): void {
  if (!/^[A-Za-z0-9+=,.@_-]{1,128}$/.test(name))
    throw new MohoError(
      "invalid_request",
      `The ${what} name must have 1 to 128 letters, digits or any of + = , . @ _ -`,
    );
}
