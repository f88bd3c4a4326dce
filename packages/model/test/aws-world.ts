/** A home folder, fake AWS services and a clock of one's own: the world that credentials are read in. */

import { createHash } from "node:crypto";
import { type FakeAws, startFakeAws, type TempHome, withTempHome } from "@moho/testkit";
import { type CredentialWorld, createNodeTransport } from "../src/index.ts";

export interface AwsWorld extends CredentialWorld {
  env: Record<string, string | undefined>;
  aws: FakeAws;
  files: TempHome;
  notices: string[];
  /** Moves the clock by so many milliseconds. */
  pass(milliseconds: number): void;
}

/**
 * Runs `work` in a fresh world. The AWS SDK reads the process's own environment, so that is set to the world's
 * for the time, and given back.
 */
export async function inAwsWorld(
  env: Record<string, string>,
  work: (world: AwsWorld) => Promise<void>,
  options: { lifeMs?: number } = {},
): Promise<void> {
  const aws = await startFakeAws(options);
  const transport = createNodeTransport();
  const before = { ...process.env };
  await withTempHome(async (files) => {
    const own: Record<string, string | undefined> = {
      PATH: process.env["PATH"],
      HOME: files.path,
      ...aws.env,
      ...env,
    };
    for (const name of Object.keys(process.env)) if (/^AWS_|^HOME$/.test(name)) delete process.env[name];
    Object.assign(process.env, own);
    let offset = 0;
    const notices: string[] = [];
    const world: AwsWorld = {
      env: own,
      home: files.path,
      lockFolder: `${files.path}/moho/locks`,
      now: () => Date.now() + offset,
      transport,
      notify: (line) => void notices.push(line),
      aws,
      files,
      notices,
      pass: (milliseconds) => {
        offset += milliseconds;
      },
    };
    await work(world);
  }).finally(async () => {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
    transport.close();
    await aws.close();
  });
}

export const SSO_CONFIG = `
[profile dev]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = Dev
region = eu-west-1

[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access
`;

/** The file that `aws sso login` leaves behind. */
export function ssoToken(
  secondsLeft: number,
  accessToken = "sso-access-0",
  refreshToken = "sso-refresh-0",
): string {
  return JSON.stringify({
    startUrl: "https://corp.awsapps.com/start",
    region: "us-east-1",
    accessToken,
    expiresAt: new Date(Date.now() + secondsLeft * 1000).toISOString(),
    clientId: "client",
    clientSecret: "client-secret",
    registrationExpiresAt: new Date(Date.now() + 86_400_000).toISOString(),
    refreshToken,
  });
}

export const SSO_CACHE = `.aws/sso/cache/${createHash("sha1").update("corp").digest("hex")}.json`;

export function keysFile(accessKeyId: string, secret = "s3cret", token?: string): string {
  return `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secret}\n${token ? `aws_session_token = ${token}\n` : ""}`;
}
