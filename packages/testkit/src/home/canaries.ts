/** Unique secrets planted where a user keeps real ones, and a search for them in whatever left the program. */

import { randomBytes } from "node:crypto";
import type { TempHome } from "./temp-home.ts";

export interface Canaries {
  /** Environment variables that hold canaries, `HOME` and the AWS files' places. */
  readonly env: Record<string, string>;
  /** Canary by the name of its place: `env:GITHUB_TOKEN`, `file:.aws/credentials#secret`. */
  readonly secrets: ReadonlyMap<string, string>;
  /**
   * Where canaries turn up: `<place> in <sink>`. Text, base64 at any alignment and hex are recognised. `allowed` names
   * places whose canary may stand in that sink (a bearer token may stand in the request it authenticates).
   */
  find(sinks: Iterable<{ name: string; bytes: Uint8Array | string; allowed?: readonly string[] }>): string[];
}

/** Variables that hold secrets on developers' machines; what a child process must never see. */
const VARIABLES = [
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_BEARER_TOKEN_BEDROCK",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
  "OPENAI_API_KEY",
  "ANTHROPIC_API_KEY",
  "GITHUB_TOKEN",
  "NPM_TOKEN",
  "DATABASE_PASSWORD",
];

/** Plants a canary in each variable and in the files of `home/.aws`. The access key ids are no secrets. */
export async function plantCanaries(home: TempHome): Promise<Canaries> {
  const secrets = new Map<string, string>();
  const canary = (place: string): string => {
    // 40 letters and digits: long enough for a secret key, and the same in JSON, URLs and shells.
    const secret = `canary${randomBytes(17).toString("hex")}`;
    secrets.set(place, secret);
    return secret;
  };
  const env: Record<string, string> = {
    HOME: home.path,
    AWS_CONFIG_FILE: `${home.path}/.aws/config`,
    AWS_SHARED_CREDENTIALS_FILE: `${home.path}/.aws/credentials`,
    AWS_ACCESS_KEY_ID: "AKIACANARY0000000ENV",
  };
  for (const name of VARIABLES) env[name] = canary(`env:${name}`);
  await home.write(
    ".aws/credentials",
    `[default]\naws_access_key_id = AKIACANARY000000FILE\naws_secret_access_key = ${canary("file:.aws/credentials#secret")}\naws_session_token = ${canary("file:.aws/credentials#session")}\n`,
  );
  await home.write(
    ".aws/sso/cache/canary.json",
    JSON.stringify({
      accessToken: canary("file:.aws/sso/cache#access"),
      refreshToken: canary("file:.aws/sso/cache#refresh"),
      clientSecret: canary("file:.aws/sso/cache#client"),
      expiresAt: "2099-01-01T00:00:00Z",
    }),
  );
  return { env, secrets, find: (sinks) => find(secrets, sinks) };
}

function find(secrets: ReadonlyMap<string, string>, sinks: Parameters<Canaries["find"]>[0]): string[] {
  const found: string[] = [];
  for (const { name, bytes, allowed = [] } of sinks) {
    const haystack = typeof bytes === "string" ? Buffer.from(bytes) : Buffer.from(bytes);
    for (const [place, secret] of secrets) {
      if (allowed.includes(place)) continue;
      if (disguises(secret).some((text) => haystack.includes(text))) found.push(`${place} in ${name}`);
    }
  }
  return found;
}

/** The secret as text, as hex, and the middle of its base64 at each of the three alignments. */
function disguises(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .slice(4, 44),
  );
  return [secret, bytes.toString("hex"), ...base64];
}
