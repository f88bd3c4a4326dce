import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import {
  fromContainerMetadata,
  fromHttp,
  fromInstanceMetadata,
  fromSSO,
  fromTokenFile,
} from "@aws-sdk/credential-providers";
import { type FakeAws, startFakeAws, withTempHome } from "@moho/testkit";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

let aws: FakeAws;
beforeEach(async () => {
  aws = await startFakeAws();
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  vi.stubEnv("AWS_REGION", "us-east-1");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await aws.close();
});

const clientConfig = { region: "us-east-1" };

describe("the real SDK takes the fakes for AWS", () => {
  it("GetCallerIdentity knows a known key and refuses another", async () => {
    aws.sts.identities.set("AKIAKNOWN", {
      arn: "arn:aws:iam::111122223333:user/dev",
      account: "111122223333",
      userId: "AIDA1",
    });
    const who = (accessKeyId: string) =>
      new STSClient({ ...clientConfig, credentials: { accessKeyId, secretAccessKey: "s" } }).send(
        new GetCallerIdentityCommand(),
      );
    expect(await who("AKIAKNOWN")).toMatchObject({
      Arn: "arn:aws:iam::111122223333:user/dev",
      Account: "111122223333",
    });
    await expect(who("AKIAUNKNOWN")).rejects.toMatchObject({
      name: "InvalidClientTokenId",
      $metadata: { httpStatusCode: 403 },
    });
  });

  it("a web identity token becomes a role", () =>
    withTempHome(async (home) => {
      aws.sts.webIdentityToken = "oidc-token";
      const webIdentityTokenFile = await home.write("token", "oidc-token");
      const roleArn = "arn:aws:iam::111122223333:role/ci";
      const keys = await fromTokenFile({
        webIdentityTokenFile,
        roleArn,
        roleSessionName: "run",
        clientConfig,
      })();
      expect(keys.sessionToken).toMatch(/^fake-session/);
      const identity = await new STSClient({ ...clientConfig, credentials: keys }).send(
        new GetCallerIdentityCommand(),
      );
      expect(identity.Arn).toBe("arn:aws:sts::111122223333:assumed-role/ci/run");
      const wrong = await home.write("wrong", "another");
      await expect(fromTokenFile({ webIdentityTokenFile: wrong, roleArn, clientConfig })()).rejects.toThrow(
        /not valid/,
      );
    }));

  it("SSO: an expired access token is exchanged, then role credentials are given", () =>
    withTempHome(async (home) => {
      await writeSso(home, "2020-01-01T00:00:00Z", "sso-refresh-0");
      const keys = await fromSSO({ profile: "dev", clientConfig })();
      expect(keys.accessKeyId).toMatch(/^ASIAFAKE/);
      expect(aws.sso).toMatchObject({
        exchanges: 1,
        reused: [],
        roleCredentials: 1,
        refreshToken: "sso-refresh-1",
      });
    }));

  it("container and instance credentials", async () => {
    for (const [name, value] of Object.entries(aws.containerEnv)) vi.stubEnv(name, value);
    expect((await fromHttp({})()).sessionToken).toMatch(/container$/);
    expect((await fromContainerMetadata()()).sessionToken).toMatch(/container$/);
    aws.metadata.instanceRole = "gateway";
    expect((await fromInstanceMetadata()()).sessionToken).toMatch(/instance$/);
    expect(aws.metadata).toMatchObject({ containerCalls: 2, instanceCalls: 1 });
    expect(aws.requests).toContain("PUT /latest/api/token");
  });
});

describe("what a careless client meets", () => {
  const exchange = (refreshToken: string): Promise<Response> =>
    fetch(`${aws.url}/token`, {
      method: "POST",
      body: JSON.stringify({ grantType: "refresh_token", refreshToken }),
    });

  it("a refresh token works once, and the second time is counted", async () => {
    expect((await exchange("sso-refresh-0")).status).toBe(200);
    const again = await exchange("sso-refresh-0");
    expect([again.status, await again.json()]).toEqual([
      400,
      expect.objectContaining({ error: "invalid_grant" }),
    ]);
    expect((await exchange("never-given")).status).toBe(400);
    expect(aws.sso).toMatchObject({ exchanges: 1, reused: ["sso-refresh-0"] });
  });

  it("IMDSv1 is refused, wrong tokens are refused, unknown paths are unknown", async () => {
    const status = async (path: string, headers = {}): Promise<number> =>
      (await fetch(aws.url + path, { headers })).status;
    expect(await status("/latest/meta-data/iam/security-credentials/")).toBe(401);
    expect(
      await status("/federation/credentials?role_name=r&account_id=1", { "x-amz-sso_bearer_token": "x" }),
    ).toBe(401);
    aws.metadata.containerToken = "secret";
    expect(await status("/container/credentials")).toBe(401);
    expect(await status("/elsewhere")).toBe(404);
  });
});

/** A profile `dev` with a cached sign-in, as `aws sso login` leaves it. */
async function writeSso(
  home: { path: string; write(relative: string, text: string): Promise<string> },
  expiresAt: string,
  refreshToken: string,
): Promise<void> {
  const { createHash } = await import("node:crypto");
  await home.write(
    ".aws/config",
    "[profile dev]\nsso_session = s\nsso_account_id = 111122223333\nsso_role_name = Dev\nregion = us-east-1\n[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.awsapps.com/start\n",
  );
  await home.write(
    `.aws/sso/cache/${createHash("sha1").update("s").digest("hex")}.json`,
    JSON.stringify({
      accessToken: "old",
      expiresAt,
      refreshToken,
      clientId: "c",
      clientSecret: "cs",
      registrationExpiresAt: "2099-01-01T00:00:00Z",
      region: "us-east-1",
      startUrl: "https://x.awsapps.com/start",
    }),
  );
  vi.stubEnv("HOME", home.path);
  vi.stubEnv("AWS_CONFIG_FILE", `${home.path}/.aws/config`);
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", `${home.path}/.aws/credentials`);
}
