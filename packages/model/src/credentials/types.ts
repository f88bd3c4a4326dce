/** The words of the credential family: settings as configured, the world they are read in, and what comes out. */

import type { AwsCredentials } from "@moho/aws";
import type { Transport } from "../ports.ts";

/** A program to run; without a shell. */
export interface CommandSettings {
  command: string;
  args?: readonly string[];
  timeoutMs?: number;
  cwd?: string;
}

/** `model_providers.<id>.auth` and `.aws` (codex-behaviour §1.4, §2.2). */
export interface CredentialSettings {
  /** The provider's id in the configuration; for messages. */
  provider: string;
  /** Prints a bearer token. `refreshIntervalMs` 0: again only after a refusal. */
  auth?: CommandSettings & { refreshIntervalMs?: number };
  aws?: {
    profile?: string;
    region?: string;
    /** Prints credentials as `credential_process` does. */
    credentialExport?: CommandSettings;
    /** Signs in again, for example `aws sso login`; its program is always `aws`. */
    authRefresh?: CommandSettings;
  };
}

/** What credentials are read from. */
export interface CredentialWorld {
  /** The AWS SDK, when it is needed, reads the process's own environment: this must be the same one. */
  env: Readonly<Record<string, string | undefined>>;
  home: string;
  /** Where processes agree on who refreshes, for example `$MOHO_HOME/locks`. */
  lockFolder: string;
  /** Epoch milliseconds. */
  now(): number;
  /** Asks STS who is calling. Left out where STS cannot know: behind a custom endpoint. */
  transport?: Transport;
  /** Lines for the person waiting: a login helper's address and code. */
  notify?(line: string): void;
}

/** What a request is authorised with. Never logged, never in a message. */
export type Auth =
  | { kind: "sigv4"; credentials: AwsCredentials; source: string }
  | { kind: "bearer"; token: string; source: string; expiresAt: number | undefined }
  | { kind: "none"; source: string };

/** Yields authorisation for each request. */
export interface Credentials {
  /** For the next request: cached until shortly before expiry, or until its file changes. */
  current(signal?: AbortSignal): Promise<Auth>;
  /** After a refusal: something other than `refused`, or `undefined` when there is nothing else. One refresh for all callers. */
  renew(refused: Auth, signal?: AbortSignal): Promise<Auth | undefined>;
  /** What a refusal of `auth` means for the user: names the source and what else is configured. */
  explainRefusal(auth: Auth): Promise<string>;
}
