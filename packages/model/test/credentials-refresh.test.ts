/** Credentials over time: expiry, refresh once for everybody, files that change, and a principal that may not. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { chmod, readdir, utimes } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { exclusively } from "../src/credentials/exclusive.ts";
import { type Auth, type CredentialSettings, createCredentials, fixedCredentials } from "../src/index.ts";
import { type AwsWorld, inAwsWorld, keysFile, SSO_CACHE, SSO_CONFIG, ssoToken } from "./aws-world.ts";

const MINUTES = 60_000;
const settings = (more: Partial<CredentialSettings> = {}): CredentialSettings => ({
  provider: "amazon-bedrock",
  ...more,
});

function idOf(auth: Auth | undefined): string | undefined {
  return auth?.kind === "sigv4"
    ? auth.credentials.accessKeyId
    : auth?.kind === "bearer"
      ? auth.token
      : undefined;
}

function identify(world: AwsWorld, accessKeyId: string, arn: string): void {
  world.aws.sts.identities.set(accessKeyId, { arn, account: arn.split(":")[4]!, userId: accessKeyId });
}

/** A program that counts its runs in a file and prints the n-th credentials. */
async function counter(world: AwsWorld, life = "3600000"): Promise<{ command: string; args: string[] }> {
  const program = await world.files.write(
    "counter.mjs",
    `import{readFileSync,writeFileSync}from"node:fs";const f=${JSON.stringify(`${world.files.path}/count`)};let n=0;try{n=+readFileSync(f,"utf8")}catch{}n++;writeFileSync(f,String(n));
setTimeout(()=>console.log(JSON.stringify({AccessKeyId:"ASIARUN"+n,SecretAccessKey:"x",SessionToken:"t",Expiration:new Date(Date.now()+${life}).toISOString()})),50);`,
  );
  return { command: process.execPath, args: [program] };
}

describe("expiry", () => {
  test("kept until five minutes before the end, then taken anew", () =>
    inAwsWorld({}, async (world) => {
      const credentials = createCredentials(
        settings({ aws: { credentialExport: await counter(world) } }),
        world,
      );
      expect(idOf(await credentials.current())).toBe("ASIARUN1");
      world.pass(54 * MINUTES);
      expect(idOf(await credentials.current())).toBe("ASIARUN1");
      world.pass(2 * MINUTES);
      expect(idOf(await credentials.current())).toBe("ASIARUN2");
    }));

  test("when the refresh fails, what is still valid is used to its end, and no longer", () =>
    inAwsWorld({}, async (world) => {
      const program = await counter(world);
      const credentials = createCredentials(settings({ aws: { credentialExport: program } }), world);
      await credentials.current();
      await world.files.write("counter.mjs", "process.exit(1)");
      world.pass(56 * MINUTES);
      expect(idOf(await credentials.current())).toBe("ASIARUN1");
      world.pass(5 * MINUTES);
      await expect(credentials.current()).rejects.toMatchObject({ code: "no_credentials" });
    }));

  test("a token command runs again after its interval; with interval 0 only after a refusal", () =>
    inAwsWorld({}, async (world) => {
      const script = "console.log('token-'+process.hrtime.bigint())";
      const auth = { command: process.execPath, args: ["-e", script] };
      const timed = createCredentials(settings({ auth: { ...auth, refreshIntervalMs: 5 * MINUTES } }), world);
      const first = idOf(await timed.current());
      expect(idOf(await timed.current())).toBe(first);
      world.pass(6 * MINUTES);
      expect(idOf(await timed.current())).not.toBe(first);

      const lazy = createCredentials(settings({ auth: { ...auth, refreshIntervalMs: 0 } }), world);
      const token = await lazy.current();
      world.pass(600 * MINUTES);
      expect(await lazy.current()).toBe(token);
      expect(idOf(await lazy.renew(token))).toMatch(/^token-/);
    }));
});

describe("one refresh for all (AUTH-2)", () => {
  test("50 parallel calls with an expired SSO token: one exchange, no refresh token twice", () =>
    inAwsWorld({ AWS_PROFILE: "dev" }, async (world) => {
      await world.files.write(".aws/config", SSO_CONFIG);
      await world.files.write(SSO_CACHE, ssoToken(-60));
      world.aws.delayMs = 20;
      const credentials = createCredentials(settings(), world);
      const all = await Promise.all(Array.from({ length: 50 }, () => credentials.current()));
      expect(new Set(all.map(idOf)).size).toBe(1);
      expect(world.aws.sso).toMatchObject({ exchanges: 1, reused: [], roleCredentials: 1 });
    }));

  test("50 parallel refusals of expired role credentials: one renewal", () =>
    inAwsWorld({ AWS_PROFILE: "dev" }, async (world) => {
      await world.files.write(".aws/config", SSO_CONFIG);
      await world.files.write(SSO_CACHE, ssoToken(3600));
      const credentials = createCredentials(settings(), world);
      const refused = await credentials.current();
      const all = await Promise.all(Array.from({ length: 50 }, () => credentials.renew(refused)));
      expect(new Set(all.map(idOf)).size).toBe(1);
      expect(idOf(all[0])).not.toBe(idOf(refused));
      expect(world.aws.sso.roleCredentials).toBe(2);
      // Latecomers with the refused credentials get the new ones without another exchange.
      expect(idOf(await credentials.renew(refused))).toBe(idOf(all[0]));
      expect(world.aws.sso.roleCredentials).toBe(2);
    }));

  test("five processes at once with an expired SSO token: one exchange", () =>
    inAwsWorld({ AWS_PROFILE: "dev" }, async (world) => {
      await world.files.write(".aws/config", SSO_CONFIG);
      await world.files.write(SSO_CACHE, ssoToken(-60));
      world.aws.delayMs = 50;
      const ids = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const child = fork(
            new URL("./child-credentials.ts", import.meta.url),
            [world.home, world.lockFolder],
            {
              env: world.env as NodeJS.ProcessEnv,
              execArgv: [],
            },
          );
          const [message] = (await once(child, "message")) as [{ id?: string; error?: string }];
          return message.error ?? message.id;
        }),
      );
      expect(new Set(ids).size).toBe(5);
      expect(ids.every((id) => /^ASIAFAKE/.test(id ?? ""))).toBe(true);
      expect(world.aws.sso).toMatchObject({ exchanges: 1, reused: [], roleCredentials: 5 });
      expect(await readdir(world.lockFolder)).toEqual([]);
    }));

  test("a caller that leaves does not take the others' refresh with it", () =>
    inAwsWorld({}, async (world) => {
      const credentials = createCredentials(
        settings({ aws: { credentialExport: await counter(world) } }),
        world,
      );
      const leaving = new AbortController();
      const [left, stayed] = [credentials.current(leaving.signal), credentials.current()];
      leaving.abort();
      await expect(left).rejects.toMatchObject({ code: "interrupted" });
      expect(idOf(await stayed)).toBe("ASIARUN1");
    }));

  test("a renewal that brings the same is not repeated for every call that was refused", () =>
    inAwsWorld({}, async (world) => {
      const script = `import{appendFileSync}from"node:fs";appendFileSync(${JSON.stringify(`${world.files.path}/runs`)},"x");console.log("same")`;
      const program = await world.files.write("same.mjs", script);
      const auth = { command: process.execPath, args: [program] };
      const credentials = createCredentials(settings({ auth }), world);
      const refused = await credentials.current();
      for (let i = 0; i < 5; i++) expect(await credentials.renew(refused)).toBeUndefined();
      const { readFile } = await import("node:fs/promises");
      expect(await readFile(`${world.files.path}/runs`, "utf8")).toBe("xx");
    }));

  test("keys from the environment cannot be renewed", () =>
    inAwsWorld({ AWS_ACCESS_KEY_ID: "AKIAENV", AWS_SECRET_ACCESS_KEY: "x" }, async (world) => {
      const credentials = createCredentials(settings(), world);
      expect(await credentials.renew(await credentials.current())).toBeUndefined();
      const fixed = fixedCredentials({ kind: "none", source: "x" });
      expect(await fixed.renew(await fixed.current())).toBeUndefined();
    }));
});

describe("files that change (AUTH-1) and principals that may not (AUTH-4)", () => {
  const USER = "arn:aws:iam::111122223333:user/dev";

  test("new keys of the same principal are used with the next request", () =>
    inAwsWorld({}, async (world) => {
      identify(world, "AKIAOLD", USER);
      identify(world, "AKIANEW", USER);
      await world.files.write(".aws/credentials", keysFile("AKIAOLD"));
      const credentials = createCredentials(settings(), world);
      expect(idOf(await credentials.current())).toBe("AKIAOLD");
      expect(idOf(await credentials.current())).toBe("AKIAOLD");
      expect(world.aws.sts.calls).toEqual([]);
      await world.files.write(".aws/credentials", keysFile("AKIANEW"));
      expect(idOf(await credentials.current())).toBe("AKIANEW");
    }));

  test("another session of the same role is the same principal", () =>
    inAwsWorld({}, async (world) => {
      identify(world, "ASIAOLD", "arn:aws:sts::111122223333:assumed-role/Dev/one");
      identify(world, "ASIANEW", "arn:aws:sts::111122223333:assumed-role/Dev/two");
      await world.files.write(".aws/credentials", keysFile("ASIAOLD", "x", "t1"));
      const credentials = createCredentials(settings(), world);
      await credentials.current();
      await world.files.write(".aws/credentials", keysFile("ASIANEW", "x", "t2"));
      expect(idOf(await credentials.current())).toBe("ASIANEW");
    }));

  test.each([
    ["another user", "arn:aws:iam::111122223333:user/admin"],
    ["another account", "arn:aws:iam::999999999999:user/dev"],
    ["a role in place of the user", "arn:aws:sts::111122223333:assumed-role/Dev/dev"],
    ["somebody STS does not know", undefined],
  ])("%s stops the run, and keeps it stopped", async (_name, arn) => {
    await inAwsWorld({}, async (world) => {
      identify(world, "AKIAOLD", USER);
      if (arn) identify(world, "AKIANEW", arn);
      await world.files.write(".aws/credentials", keysFile("AKIAOLD"));
      const credentials = createCredentials(settings(), world);
      const auth = await credentials.current();
      await world.files.write(".aws/credentials", keysFile("AKIANEW"));
      for (let i = 0; i < 2; i++)
        await expect(credentials.current()).rejects.toMatchObject({
          code: "principal_changed",
          message: expect.not.stringContaining("s3cret"),
        });
      await expect(credentials.renew(auth)).rejects.toMatchObject({ code: "principal_changed" });
    });
  });

  test("behind a custom endpoint the gateway judges: STS is not asked", () =>
    inAwsWorld({}, async (world) => {
      const { transport: _, ...own } = world;
      await world.files.write(".aws/credentials", keysFile("AKIAOLD"));
      const credentials = createCredentials(settings(), own);
      await credentials.current();
      await world.files.write(".aws/credentials", keysFile("AKIANEW"));
      expect(idOf(await credentials.current())).toBe("AKIANEW");
      expect(world.aws.sts.calls).toEqual([]);
    }));

  test("a helper that suddenly is somebody else stops the run", () =>
    inAwsWorld({}, async (world) => {
      identify(world, "ASIARUN1", "arn:aws:sts::111122223333:assumed-role/Dev/x");
      identify(world, "ASIARUN2", "arn:aws:sts::111122223333:assumed-role/Admin/x");
      const credentials = createCredentials(
        settings({ aws: { credentialExport: await counter(world) } }),
        world,
      );
      await credentials.current();
      world.pass(56 * MINUTES);
      await expect(credentials.current()).rejects.toMatchObject({
        code: "principal_changed",
        message: expect.stringMatching(/assumed-role\/Admin; this run started as .*assumed-role\/Dev/),
      });
    }));

  test("a profile that goes away does not become the instance's role", () =>
    inAwsWorld({}, async (world) => {
      world.aws.metadata.instanceRole = "Builder";
      await world.files.write(".aws/credentials", keysFile("AKIAOLD"));
      const credentials = createCredentials(settings(), world);
      await credentials.current();
      await world.files.write(".aws/credentials", "");
      await expect(credentials.current()).rejects.toMatchObject({
        code: "no_credentials",
        message: expect.stringContaining("takes no other source"),
      });
      expect(world.aws.metadata.instanceCalls).toBe(0);
      // It comes back: so does the run.
      await world.files.write(".aws/credentials", keysFile("AKIAOLD"));
      expect(idOf(await credentials.current())).toBe("AKIAOLD");
    }));

  test("a file that is empty for a moment, because it is being written, is read again", () =>
    inAwsWorld({}, async (world) => {
      identify(world, "AKIAOLD", USER);
      identify(world, "AKIANEW", USER);
      await world.files.write(".aws/credentials", keysFile("AKIAOLD"));
      const credentials = createCredentials(settings(), world);
      await credentials.current();
      await world.files.write(".aws/credentials", "");
      const next = credentials.current();
      await new Promise((resolve) => setTimeout(resolve, 50));
      await world.files.write(".aws/credentials", keysFile("AKIANEW"));
      expect(idOf(await next)).toBe("AKIANEW");
    }));

  test("an SSO profile that is pointed at another role in mid-run is checked by STS", () =>
    inAwsWorld({ AWS_PROFILE: "dev" }, async (world) => {
      identify(world, "ASIAFAKE000000000001", "arn:aws:sts::111122223333:assumed-role/Dev/me");
      identify(world, "ASIAFAKE000000000002", "arn:aws:sts::111122223333:assumed-role/Admin/me");
      await world.files.write(".aws/config", SSO_CONFIG);
      await world.files.write(SSO_CACHE, ssoToken(3600));
      const credentials = createCredentials(settings(), world);
      await credentials.current();
      await world.files.write(".aws/config", SSO_CONFIG.replace("= Dev", "= Admin"));
      await expect(credentials.current()).rejects.toMatchObject({ code: "principal_changed" });
    }));
});

describe("signing in again", () => {
  /** An `aws` program that prints what a person must do, and then writes the token a login leaves behind. */
  async function fakeAws(world: AwsWorld): Promise<void> {
    const token = ssoToken(3600, "sso-access-login", "sso-refresh-login");
    const file = await world.files.write(
      "bin/aws",
      `#!${process.execPath}
const fs=require("node:fs");fs.appendFileSync(${JSON.stringify(`${world.files.path}/logins`)},process.argv.slice(2).join(" ")+"\\n");
console.log("Open https://device.sso/ and enter ABCD-EFGH");
fs.mkdirSync(${JSON.stringify(`${world.files.path}/.aws/sso/cache`)},{recursive:true});
fs.writeFileSync(${JSON.stringify(`${world.files.path}/${SSO_CACHE}`)},${JSON.stringify(token)});
`,
    );
    await chmod(file, 0o755);
    world.env["PATH"] = `${world.files.path}/bin`;
    world.aws.sso.accessTokens.add("sso-access-login");
  }

  const AUTH_REFRESH = { authRefresh: { command: "aws", args: ["sso", "login", "--profile", "dev"] } };

  test("an expired session runs the configured login once for 50 callers, and shows its lines", () =>
    inAwsWorld({ AWS_PROFILE: "dev" }, async (world) => {
      await world.files.write(".aws/config", SSO_CONFIG);
      await world.files.write(SSO_CACHE, ssoToken(-60, "sso-access-0", "used-up"));
      await fakeAws(world);
      const credentials = createCredentials(settings({ aws: AUTH_REFRESH }), world);
      const all = await Promise.all(Array.from({ length: 50 }, () => credentials.current()));
      expect(new Set(all.map(idOf)).size).toBe(1);
      const { readFile } = await import("node:fs/promises");
      expect(await readFile(`${world.files.path}/logins`, "utf8")).toBe("sso login --profile dev\n");
      expect(world.notices).toEqual([
        "The AWS session has expired. Signing in again…",
        "Open https://device.sso/ and enter ABCD-EFGH",
        "Signed in with AWS.",
      ]);
    }));

  test("only `aws` may be run, and never for keys or a bearer", () =>
    inAwsWorld({ AWS_PROFILE: "dev" }, async (world) => {
      await world.files.write(".aws/config", SSO_CONFIG);
      const evil = settings({ aws: { authRefresh: { command: "/bin/sh", args: ["-c", "true"] } } });
      await expect(createCredentials(evil, world).current()).rejects.toMatchObject({
        code: "invalid_config",
      });
      await fakeAws(world);
      world.env["AWS_BEARER_TOKEN_BEDROCK"] = "ABSKx";
      const bearer = createCredentials(settings({ aws: AUTH_REFRESH }), world);
      expect(await bearer.renew(await bearer.current())).toBeUndefined();
      expect(world.notices).toEqual([]);
    }));
});

describe("the lock between processes", () => {
  test("holds others out, and is taken over from a holder that died", () =>
    inAwsWorld({}, async (world) => {
      let inside = 0;
      let most = 0;
      const act = async (): Promise<void> => {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setTimeout(resolve, 10));
        inside--;
      };
      await Promise.all(Array.from({ length: 5 }, () => exclusively(world.lockFolder, "a", act)));
      expect(most).toBe(1);
      const stale = await world.files.write("moho/locks/b.lock", "a dead process");
      const old = new Date(Date.now() - 60_000);
      await utimes(stale, old, old);
      expect(await exclusively(world.lockFolder, "b", async () => "taken over")).toBe("taken over");
      expect(await readdir(world.lockFolder)).toEqual([]);
    }));

  test("without a place for it the work is done all the same, and a failure frees it", () =>
    inAwsWorld({}, async (world) => {
      const file = await world.files.write("not-a-folder", "");
      expect(await exclusively(`${file}/locks`, "a", async () => 1)).toBe(1);
      const failing = exclusively(world.lockFolder, "a", async () => {
        throw new Error("no");
      });
      await expect(failing).rejects.toThrow("no");
      expect(await exclusively(world.lockFolder, "a", async () => 2)).toBe(2);
    }));
});
