/** Principals, policies and keys as an administrator handles them, and secrets at rest. */

import { createAccess, createSeal } from "@moho/access";
import { describe, expect, it } from "vitest";
import {
  ACCOUNT,
  memoryDocuments,
  principal,
  refusal,
  seededRandom,
  setting,
  signedRequest,
} from "./setting.ts";

const allow = { Version: "2012-10-17", Statement: { Effect: "Allow", Action: "*", Resource: "*" } };

describe("principals and policies", () => {
  it("are created once, listed, given policies and relieved of them", async () => {
    const { administration } = setting();
    await administration.putPolicy("P", allow);
    const dev = await administration.createPrincipal({ name: "dev", policies: ["P"] });
    expect(dev).toMatchObject({
      name: "dev",
      arn: `arn:aws:iam::${ACCOUNT}:user/dev`,
      enabled: true,
      policies: ["P"],
    });
    expect(await refusal(administration.createPrincipal({ name: "dev" }))).toMatchObject({
      code: "conflict",
    });
    expect(await refusal(administration.createPrincipal({ name: "a/../b" }))).toMatchObject({
      code: "invalid_request",
    });
    expect(await refusal(administration.createPrincipal({ name: "x", policies: ["none"] }))).toMatchObject({
      code: "not_found",
    });
    expect(await refusal(administration.attachPolicy("dev", "none"))).toMatchObject({ code: "not_found" });
    expect(await refusal(administration.attachPolicy("nobody", "P"))).toMatchObject({ code: "not_found" });
    await administration.attachPolicy("dev", "P");
    expect((await administration.listPrincipals())[0]?.policies).toEqual(["P"]);
    await administration.detachPolicy("dev", "P");
    expect((await administration.listPrincipals())[0]?.policies).toEqual([]);
    expect(await administration.listPolicies()).toEqual([{ name: "P", document: allow }]);
  });

  it("a replaced policy holds at once", async () => {
    const { access, administration } = setting();
    await administration.putPolicy("P", allow);
    const question = {
      principal: principal({ policies: ["P"] }),
      action: "bedrock:InvokeModel",
      resource: "*",
      context: {},
    };
    expect((await access.authorize(question)).effect).toBe("allow");
    await administration.putPolicy("P", { ...allow, Statement: { ...allow.Statement, Effect: "Deny" } });
    expect((await access.authorize(question)).reason).toBe("explicit-deny");
  });

  it("a policy that was lost decides nothing: it may have held a deny", async () => {
    const { access, administration, documents, time } = setting();
    await administration.putPolicy("P", allow);
    await administration.putPolicy("Fence", { ...allow, Statement: { ...allow.Statement, Effect: "Deny" } });
    await documents.delete("policy", "Fence");
    time.now += 3000;
    const question = {
      principal: principal({ policies: ["P", "Fence"] }),
      action: "bedrock:InvokeModel",
      resource: "*",
      context: {},
    };
    expect(await refusal(access.authorize(question))).toMatchObject({ code: "internal" });
  });

  it("lists go past one page", async () => {
    const { administration } = setting();
    for (let i = 0; i < 501; i++) await administration.createPrincipal({ name: `user-${i}` });
    expect(await administration.listPrincipals()).toHaveLength(501);
  });
});

describe("keys", () => {
  it("are listed without secret or hash, and disabled by id", async () => {
    const { administration } = setting();
    await administration.createPrincipal({ name: "dev" });
    await administration.createPrincipal({ name: "ops" });
    const credentials = await administration.issueAccessKey("dev");
    const apiKey = await administration.issueApiKey("ops", { days: 2 });
    const keys = await administration.listKeys();
    expect(keys).toEqual([
      {
        id: credentials.accessKeyId,
        kind: "access-key",
        principal: "dev",
        enabled: true,
        createdAt: expect.any(String),
      },
      {
        id: apiKey.id,
        kind: "api-key",
        principal: "ops",
        enabled: true,
        createdAt: expect.any(String),
        expiresAt: apiKey.expiresAt,
      },
    ]);
    expect(await administration.listKeys("ops")).toEqual([keys[1]]);
    await administration.setKeyEnabled(apiKey.id, false);
    expect((await administration.listKeys("ops"))[0]?.enabled).toBe(false);
    expect(await refusal(administration.setKeyEnabled("AKIANONE", false))).toMatchObject({
      code: "not_found",
    });
  });

  it("belong to a principal, and a given one is taken as it is, once", async () => {
    const { administration, access } = setting();
    expect(await refusal(administration.issueAccessKey("nobody"))).toMatchObject({ code: "not_found" });
    expect(await refusal(administration.issueApiKey("nobody"))).toMatchObject({ code: "not_found" });
    await administration.createPrincipal({ name: "dev" });
    const given = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
    const credentials = await administration.issueAccessKey("dev", { given });
    expect(credentials).toMatchObject(given);
    expect((await access.authenticate(signedRequest(credentials), ["bedrock-mantle"])).name).toBe("dev");
    expect(await refusal(administration.issueAccessKey("dev", { given }))).toMatchObject({
      code: "conflict",
    });
    for (const bad of [{ sessionSeconds: 0 }, { sessionSeconds: -1 }, { sessionSeconds: Number.NaN }])
      expect(await refusal(administration.issueAccessKey("dev", bad))).toMatchObject({
        code: "invalid_request",
      });
    expect(await refusal(administration.issueApiKey("dev", { days: 0 }))).toMatchObject({
      code: "invalid_request",
    });
  });
});

describe("secrets at rest", () => {
  const random = seededRandom();
  const seal = createSeal(new Uint8Array(32).fill(1), random);

  it("are sealed: neither the store nor another seal can read them", async () => {
    const { administration, documents, time } = setting();
    await administration.createPrincipal({ name: "dev" });
    const { secretAccessKey, sessionToken } = await administration.issueAccessKey("dev", {
      sessionSeconds: 60,
    });
    expect(documents.dump()).not.toContain(secretAccessKey);
    expect(documents.dump()).not.toContain(sessionToken);
    const credentials = await administration.issueAccessKey("dev");
    const stranger = createAccess({
      documents,
      seal,
      clock: () => time.now,
      random,
      account: ACCOUNT,
      partition: "aws",
      regions: [],
    });
    const refused = await refusal(stranger.authenticate(signedRequest(credentials), ["bedrock-mantle"]));
    expect(refused).toMatchObject({ code: "internal" });
    expect(refused.message).toContain("sealed under another key");
  });

  it("a sealed text moved to another record, or altered anywhere, is refused", () => {
    const sealed = seal.close("secret", "AKIA1");
    expect(seal.open(sealed, "AKIA1")).toBe("secret");
    expect(seal.close("secret", "AKIA1")).not.toBe(sealed);
    expect(() => seal.open(sealed, "AKIA2")).toThrow("AKIA2 cannot be read");
    const bytes = Buffer.from(sealed.slice(3), "base64url");
    for (let i = 0; i < bytes.length; i++) {
      const altered = Buffer.from(bytes);
      altered[i]! ^= 1;
      expect(() => seal.open(`v1.${altered.toString("base64url")}`, "AKIA1")).toThrow("cannot be read");
    }
    for (const text of ["", "v1.", "v2.AAAA", sealed.slice(0, 20)])
      expect(() => seal.open(text, "AKIA1")).toThrow("cannot be read");
  });

  it("keys of another length and odd accounts are refused at start", () => {
    expect(() => createSeal(new Uint8Array(16), random)).toThrow("32 bytes");
    const options = {
      documents: memoryDocuments(),
      seal,
      clock: () => 0,
      random,
      partition: "aws",
      regions: [],
    };
    expect(() => createAccess({ ...options, account: "12" })).toThrow("twelve digits");
  });
});
