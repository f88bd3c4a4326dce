/** Who credentials belong to: STS GetCallerIdentity, and whether two credentials are the same principal. */

import { type AwsCredentials, hostOf, signRequest } from "@moho/aws";
import { MohoError } from "@moho/protocol";
import type { CredentialWorld } from "./types.ts";

export interface CallerIdentity {
  arn: string;
  account: string;
}

const CLOCKS = { connect: 3_000, firstByte: 5_000, idle: 5_000 };
const BODY = "Action=GetCallerIdentity&Version=2011-06-15";
const MAX_ANSWER = 64 * 1024;

/** Asks STS. Throws when it cannot be reached or does not know the credentials; callers decide what that means. */
export async function askCallerIdentity(
  credentials: AwsCredentials,
  world: Pick<CredentialWorld, "env" | "now" | "transport">,
  region = "us-east-1",
): Promise<CallerIdentity> {
  if (!world.transport) throw new MohoError("unavailable", "STS is not asked behind a custom endpoint.");
  const url = stsUrl(world.env, region);
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const signed = signRequest(
    { method: "POST", host: url.host, target: url.pathname, headers, body: BODY },
    credentials,
    { service: "sts", region, now: world.now() },
  );
  const answer = await world.transport({
    method: "POST",
    url,
    headers: { ...headers, ...signed },
    body: BODY,
    clocks: CLOCKS,
  });
  let text = "";
  for await (const chunk of answer.body) if (text.length < MAX_ANSWER) text += String(chunk);
  const arn = /<Arn>([^<]{1,2048})<\/Arn>/.exec(text)?.[1];
  const account = /<Account>(\d{12})<\/Account>/.exec(text)?.[1];
  if (answer.status === 200 && arn && account) return { arn, account };
  const code = /<Code>([A-Za-z0-9.]{1,80})<\/Code>/.exec(text)?.[1];
  throw new MohoError(
    "upstream_refused",
    `STS at ${url.host} answered ${answer.status}${code ? ` ${code}` : ""}.`,
  );
}

function stsUrl(env: CredentialWorld["env"], region: string): URL {
  const custom = env["AWS_ENDPOINT_URL_STS"] || env["AWS_ENDPOINT_URL"];
  return new URL(custom || `https://${hostOf("sts", region)}/`);
}

/** An ARN without what changes from session to session: the session name of an assumed role. */
export function principalOf(arn: string): string {
  return arn.replace(/(:assumed-role\/[^/]+)\/.*$/, "$1");
}
