/** Where credentials come from: the order, each source for real, and what is said when one fails. */

import { mintShortTermKey } from "@moho/aws";
import { withTempHome } from "@moho/testkit";
import { describe, expect, test } from "vitest";
import { parseIni } from "../src/credentials/profiles.ts";
import {
  type Auth,
  type CredentialSettings,
  createCredentials,
  explainCredentials,
  findRegion,
} from "../src/index.ts";
import { type AwsWorld, inAwsWorld, keysFile, SSO_CACHE, SSO_CONFIG, ssoToken } from "./aws-world.ts";

const PROVIDER = "amazon-bedrock";
const settings = (more: Partial<CredentialSettings> = {}): CredentialSettings => ({
  provider: PROVIDER,
  ...more,
});
const nodeCommand = (script: string) => ({ command: process.execPath, args: ["-e", script] });
const print = (value: unknown) => nodeCommand(`console.log(${JSON.stringify(JSON.stringify(value))})`);

function idOf(auth: Auth): string {
  return auth.kind === "sigv4" ? auth.credentials.accessKeyId : auth.kind === "bearer" ? auth.token : "none";
}

interface Row {
  /** What is configured, strongest first; the first is the one that must win. */
  name: string;
  settings?: Partial<CredentialSettings>;
  env?: Record<string, string>;
  files?: Record<string, string>;
  wins: string;
}

const CREDENTIALS = `${keysFile("AKIADEFAULT")}[work]\naws_access_key_id=AKIAWORK\naws_secret_access_key=x\n`;
const ALL_ENV = {
  AWS_BEARER_TOKEN_BEDROCK: "ABSKbearer",
  AWS_ACCESS_KEY_ID: "AKIAENV",
  AWS_SECRET_ACCESS_KEY: "x",
  AWS_PROFILE: "work",
};
const FILES = { ".aws/credentials": CREDENTIALS };

const ORDER: Row[] = [
  {
    name: "auth.command before everything",
    settings: { auth: nodeCommand("console.log('from-command')") },
    env: ALL_ENV,
    files: FILES,
    wins: "from-command",
  },
  {
    name: "credential_export before a configured profile",
    settings: {
      aws: {
        credentialExport: print({
          Credentials: { AccessKeyId: "ASIAEXPORT", SecretAccessKey: "x", SessionToken: "t" },
        }),
        profile: "work",
      },
    },
    env: ALL_ENV,
    files: FILES,
    wins: "ASIAEXPORT",
  },
  {
    name: "a configured profile before the bearer",
    settings: { aws: { profile: "work" } },
    env: ALL_ENV,
    files: FILES,
    wins: "AKIAWORK",
  },
  { name: "the bearer before keys in the environment", env: ALL_ENV, files: FILES, wins: "ABSKbearer" },
  {
    name: "keys in the environment before AWS_PROFILE",
    env: { AWS_ACCESS_KEY_ID: "AKIAENV", AWS_SECRET_ACCESS_KEY: "x", AWS_PROFILE: "work" },
    files: FILES,
    wins: "AKIAENV",
  },
  {
    name: "AWS_PROFILE before the default profile",
    env: { AWS_PROFILE: "work" },
    files: FILES,
    wins: "AKIAWORK",
  },
  { name: "the default profile", files: FILES, wins: "AKIADEFAULT" },
  {
    name: "the credentials file wins over the config file",
    files: { ...FILES, ".aws/config": "[default]\naws_access_key_id=AKIACONFIG\naws_secret_access_key=y\n" },
    wins: "AKIADEFAULT",
  },
  {
    name: "files elsewhere",
    env: { AWS_SHARED_CREDENTIALS_FILE: "~/elsewhere" },
    files: { elsewhere: keysFile("AKIAELSE") },
    wins: "AKIAELSE",
  },
];

test.each(ORDER)("$name", async (row) => {
  await inAwsWorld(row.env ?? {}, async (world) => {
    for (const [path, text] of Object.entries(row.files ?? {})) await world.files.write(path, text);
    expect(idOf(await createCredentials(settings(row.settings), world).current())).toBe(row.wins);
  });
});

describe("sources that the AWS SDK serves", () => {
  const current = async (world: AwsWorld, more?: Partial<CredentialSettings>): Promise<string> =>
    idOf(await createCredentials(settings(more), world).current());

  test("SSO with a token that is still good", () =>
    inAwsWorld({ AWS_PROFILE: "dev" }, async (world) => {
      await world.files.write(".aws/config", SSO_CONFIG);
      await world.files.write(SSO_CACHE, ssoToken(3600));
      expect(await current(world)).toMatch(/^ASIAFAKE/);
      expect([world.aws.sso.exchanges, world.aws.sso.roleCredentials]).toEqual([0, 1]);
    }));

  test("a role assumed from a source profile", () =>
    inAwsWorld({}, async (world) => {
      world.aws.sts.identities.set("AKIADEFAULT", {
        arn: "arn:aws:iam::111122223333:user/dev",
        account: "111122223333",
        userId: "U",
      });
      await world.files.write(".aws/credentials", keysFile("AKIADEFAULT"));
      await world.files.write(
        ".aws/config",
        "[profile deploy]\nrole_arn = arn:aws:iam::444455556666:role/Deploy\nsource_profile = default\nregion = us-west-2\n",
      );
      expect(await current(world, { aws: { profile: "deploy" } })).toMatch(/^ASIAFAKE/);
      expect(world.aws.sts.calls).toEqual(["AssumeRole"]);
    }));

  test("credential_process in a profile", () =>
    inAwsWorld({}, async (world) => {
      const program = await world.files.write(
        "helper.js",
        'console.log(JSON.stringify({Version:1,AccessKeyId:"ASIAPROCESS",SecretAccessKey:"x",SessionToken:"t",Expiration:new Date(Date.now()+3600000).toISOString()}))',
      );
      await world.files.write(
        ".aws/config",
        `[default]\ncredential_process = ${process.execPath} ${program}\n`,
      );
      expect(await current(world)).toBe("ASIAPROCESS");
    }));

  test("web identity", () =>
    inAwsWorld(
      { AWS_ROLE_ARN: "arn:aws:iam::111122223333:role/Ci", AWS_REGION: "us-east-1" },
      async (world) => {
        const file = await world.files.write("token", "jwt");
        world.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = file;
        process.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = file;
        world.aws.sts.webIdentityToken = "jwt";
        expect(await current(world)).toMatch(/^ASIAFAKE/);
        expect(world.aws.sts.calls).toEqual(["AssumeRoleWithWebIdentity"]);
      },
    ));

  test("the container endpoint, with its token", () =>
    inAwsWorld({ AWS_CONTAINER_AUTHORIZATION_TOKEN: "pod" }, async (world) => {
      Object.assign(world.env, world.aws.containerEnv);
      Object.assign(process.env, world.aws.containerEnv);
      world.aws.metadata.containerToken = "pod";
      expect(await current(world)).toMatch(/^ASIAFAKE/);
      expect(world.aws.metadata.containerCalls).toBe(1);
    }));

  test("the instance's role comes last", () =>
    inAwsWorld({}, async (world) => {
      world.aws.metadata.instanceRole = "Builder";
      expect(await current(world)).toMatch(/^ASIAFAKE/);
      expect(world.aws.metadata.instanceCalls).toBe(1);
    }));
});

describe("a source that fails is the end of it (AUTH-4)", () => {
  const failing: [
    string,
    Partial<CredentialSettings>,
    Record<string, string>,
    Record<string, string>,
    string,
    RegExp,
  ][] = [
    [
      "a configured profile that does not exist",
      { aws: { profile: "gone" } },
      ALL_ENV,
      FILES,
      "no_credentials",
      /profile gone .*no such profile in .*config or .*credentials/,
    ],
    [
      "AWS_PROFILE that does not exist",
      {},
      { AWS_PROFILE: "gone" },
      FILES,
      "no_credentials",
      /profile gone \(AWS_PROFILE\)/,
    ],
    [
      "an expired SSO session",
      { aws: { profile: "dev" } },
      {},
      { ".aws/config": SSO_CONFIG, [SSO_CACHE]: ssoToken(-60, "sso-access-0", "wrong") },
      "expired_credentials",
      /profile dev/,
    ],
    [
      "a login that never happened",
      { aws: { profile: "dev" } },
      {},
      { ".aws/config": SSO_CONFIG },
      "expired_credentials",
      /SSO session/,
    ],
    [
      "a token printer that fails",
      { auth: nodeCommand("process.exit(3)") },
      ALL_ENV,
      FILES,
      "no_credentials",
      /ended with exit code 3/,
    ],
    [
      "a token printer that is missing",
      { auth: { command: "no-such-program-here" } },
      ALL_ENV,
      FILES,
      "no_credentials",
      /could not be started \(ENOENT\)/,
    ],
    [
      "a token printer that hangs",
      { auth: { ...nodeCommand("setInterval(()=>{},1e3)"), timeoutMs: 200 } },
      ALL_ENV,
      FILES,
      "no_credentials",
      /did not finish within 0.2 s/,
    ],
    [
      "a token that would break a header",
      { auth: nodeCommand("console.log('a\\r\\nx-evil: 1')") },
      ALL_ENV,
      FILES,
      "no_credentials",
      /not one line/,
    ],
    [
      "an export without a secret",
      { aws: { credentialExport: print({ AccessKeyId: "ASIA" }) } },
      ALL_ENV,
      FILES,
      "no_credentials",
      /no `SecretAccessKey`/,
    ],
    [
      "an export of megabytes",
      { aws: { credentialExport: nodeCommand("process.stdout.write('x'.repeat(1e6))") } },
      ALL_ENV,
      FILES,
      "no_credentials",
      /more than 65536 bytes/,
    ],
    [
      "a relative program",
      { aws: { credentialExport: { command: "./evil" } } },
      ALL_ENV,
      FILES,
      "invalid_config",
      /absolute or a bare name/,
    ],
  ];

  test.each(failing)("%s", async (_name, more, env, files, code, words) => {
    await inAwsWorld(env, async (world) => {
      world.aws.metadata.instanceRole = "SomebodyElse";
      for (const [path, text] of Object.entries(files)) await world.files.write(path, text);
      const result = createCredentials(settings(more), world).current();
      await expect(result).rejects.toMatchObject({ code, message: expect.stringMatching(words) });
      expect(world.aws.metadata.instanceCalls).toBe(0);
    });
  });

  test("an expired login says the exact command", () =>
    inAwsWorld({ AWS_PROFILE: "dev" }, async (world) => {
      await world.files.write(".aws/config", SSO_CONFIG);
      const result = createCredentials(settings(), world).current();
      await expect(result).rejects.toMatchObject({ next: "Run `aws sso login --profile dev`." });
    }));

  test("with nothing at all, every source is named with its reason", () =>
    inAwsWorld({ AWS_EC2_METADATA_DISABLED: "true", AWS_ACCESS_KEY_ID: "AKIA" }, async (world) => {
      const result = createCredentials(settings(), world).current();
      await expect(result).rejects.toMatchObject({
        code: "no_credentials",
        message: expect.stringMatching(
          /auth: not configured;.*BEDROCK: not set;.*AWS_SECRET_ACCESS_KEY is missing;.*default profile: there is none.*not both set;.*switched off by AWS_EC2_METADATA_DISABLED/,
        ),
      });
    }));
});

test("no secret that a program prints gets into an error, its cause or its JSON", async () => {
  const leaks: Partial<CredentialSettings>[] = [
    { auth: nodeCommand("console.log('TOPSECRET with spaces')") },
    { auth: nodeCommand("console.error('TOPSECRET'); console.log('TOPSECRET'); process.exit(1)") },
    { aws: { credentialExport: nodeCommand("console.log('TOPSECRET not json')") } },
    {
      aws: {
        credentialExport: print({ AccessKeyId: "AKIA", SecretAccessKey: 1, SessionToken: "TOPSECRET" }),
      },
    },
    {
      aws: {
        credentialExport: print({ AccessKeyId: "A", SecretAccessKey: "TOPSECRET", Expiration: "TOPSECRET" }),
      },
    },
  ];
  for (const more of leaks) {
    await inAwsWorld({}, async (world) => {
      const error = (await createCredentials(settings(more), world)
        .current()
        .catch((e: unknown) => e)) as Error;
      expect(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain("TOPSECRET");
    });
  }
  await inAwsWorld({}, async (world) => {
    const helper = "console.error('TOPSECRET');process.exit(1)";
    await world.files.write("helper.js", helper);
    await world.files.write(
      ".aws/config",
      `[default]\ncredential_process = ${process.execPath} ${world.files.path}/helper.js TOPSECRET\n`,
    );
    const error = (await createCredentials(settings(), world)
      .current()
      .catch((e: unknown) => e)) as Error;
    expect(error.message).toContain("credential_process failed");
    expect(`${error.stack} ${String(error.cause)}`).not.toContain("TOPSECRET");
  });
});

const SHORT_KEY = mintShortTermKey(
  { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "x" },
  { region: "ap-south-1", now: Date.parse("2026-01-02T03:04:05Z") },
).key;

const REGIONS: [
  string,
  Partial<CredentialSettings>,
  Record<string, string>,
  string | undefined,
  string | undefined,
][] = [
  [
    "configuration",
    { aws: { region: "eu-south-1" } },
    { AWS_REGION: "us-east-2", AWS_DEFAULT_REGION: "x" },
    "eu-south-1",
    "model_providers.amazon-bedrock.aws.region",
  ],
  ["AWS_REGION", {}, { AWS_REGION: "us-east-2", AWS_DEFAULT_REGION: "us-west-2" }, "us-east-2", "AWS_REGION"],
  ["AWS_DEFAULT_REGION", {}, { AWS_DEFAULT_REGION: "us-west-2" }, "us-west-2", "AWS_DEFAULT_REGION"],
  ["a configured profile", { aws: { profile: "dev" } }, {}, "eu-west-1", "profile dev"],
  ["AWS_PROFILE", {}, { AWS_PROFILE: "dev" }, "eu-west-1", "profile dev"],
  ["the default profile", {}, {}, "sa-east-1", "profile default"],
  [
    "the short-term key in use, before a profile that is not",
    {},
    { AWS_BEARER_TOKEN_BEDROCK: SHORT_KEY },
    "ap-south-1",
    "the short-term key",
  ],
  [
    "the default profile for a key that names none",
    {},
    { AWS_BEARER_TOKEN_BEDROCK: "ABSKx" },
    "sa-east-1",
    "profile default",
  ],
  ["nothing", {}, { AWS_PROFILE: "none" }, undefined, undefined],
];

test.each(REGIONS)("region from %s", async (_name, more, env, region, source) => {
  await withTempHome(async (home) => {
    await home.write(".aws/config", `[default]\nregion = sa-east-1\n${SSO_CONFIG}`);
    expect(await findRegion(settings(more), { env, home: home.path })).toEqual(region && { region, source });
  });
});

test("auth status: winner, losers and why, principal, expiry, region; secrets stay inside", async () => {
  await inAwsWorld({ AWS_PROFILE: "dev" }, async (world) => {
    await world.files.write(".aws/config", SSO_CONFIG);
    await world.files.write(".aws/credentials", CREDENTIALS);
    await world.files.write(SSO_CACHE, ssoToken(3600));
    world.aws.sts.identities.set("ASIAFAKE000000000001", {
      arn: "arn:aws:sts::111122223333:assumed-role/Dev/me",
      account: "111122223333",
      userId: "A:me",
    });
    const report = await explainCredentials(settings(), world);
    expect(report.winner).toMatchObject({
      source: "profile dev (AWS_PROFILE)",
      kind: "sigv4",
      accessKeyId: "ASIA…0001",
      principal: { arn: "arn:aws:sts::111122223333:assumed-role/Dev/me", account: "111122223333" },
    });
    expect(report.winner!.expiresAt).toBeGreaterThan(world.now());
    expect(report.region).toEqual({ region: "eu-west-1", source: "profile dev" });
    expect(report.losers.map(({ reason }) => reason)).toEqual([
      "not configured",
      "not configured",
      "not set",
      "not set",
      "not set",
      "profile dev (AWS_PROFILE) comes before it",
      "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set",
      "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set",
      "profile dev (AWS_PROFILE) comes before it",
    ]);
    expect(JSON.stringify(report)).not.toMatch(/fake-s|s3cret|sso-access/);
    const calls = world.aws.sts.calls.length;
    const offline = await explainCredentials(settings(), world, { offline: true });
    expect(offline.winner!.principal).toBeUndefined();
    expect(world.aws.sts.calls).toHaveLength(calls);
  });
});

test("auth status tells a failing winner's problem, a bearer's expiry, and an STS that does not answer", async () => {
  await inAwsWorld({ AWS_BEARER_TOKEN_BEDROCK: SHORT_KEY }, async (world) => {
    const report = await explainCredentials(settings(), world);
    expect(report.winner).toMatchObject({
      kind: "short-term key",
      expiresAt: Date.parse("2026-01-02T15:04:05Z"),
      principalProblem: expect.stringContaining("bearer"),
    });
    const gone = await explainCredentials(settings({ aws: { profile: "gone" } }), world);
    expect(gone.winner!.problem!.message).toContain("no such profile");
    const text = await createCredentials(settings(), world).explainRefusal({
      kind: "bearer",
      token: "x",
      source: "AWS_BEARER_TOKEN_BEDROCK",
      expiresAt: Date.parse("2026-01-02T15:04:05Z"),
    });
    expect(text).toContain("which expired at 2026-01-02T15:04:05.000Z");
  });
  await inAwsWorld({}, async (world) => {
    await world.files.write(".aws/credentials", keysFile("AKIAUNKNOWN"));
    const report = await explainCredentials(settings(), world);
    expect(report.winner!.principalProblem).toMatch(/answered 403 InvalidClientTokenId/);
  });
});

test("a bearer that is refused while a profile would work names both (AUTH-5)", async () => {
  await inAwsWorld({ AWS_BEARER_TOKEN_BEDROCK: "ABSKold" }, async (world) => {
    await world.files.write(".aws/credentials", CREDENTIALS);
    const credentials = createCredentials(settings(), world);
    const text = await credentials.explainRefusal(await credentials.current());
    expect(text).toContain("AWS_BEARER_TOKEN_BEDROCK");
    expect(text).toContain("the default profile");
  });
});

test("ini: comments, quotes, nesting, prototype names", () => {
  const text = `; c\n[default]\nregion = eu-west-1 # here\nkey=a#b\ns3 =\n  region = nested\nnext = 1\n[__proto__]\npolluted = yes\nnonsense\n= x\n`;
  const sections = parseIni(text);
  expect(sections.map(([name, section]) => [name, { ...section }])).toEqual([
    ["default", { region: "eu-west-1", key: "a#b", next: "1" }],
    ["__proto__", { polluted: "yes" }],
  ]);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});
