/** Bedrock API keys: the vectors of AWS's generator, their life, and what a forger may try. */

import {
  classifyBearer,
  mintShortTermKey,
  newLongTermKey,
  parseShortTermKey,
  presignRequest,
  regionOfShortTermKey,
  SigningKeys,
  verifyShortTermKey,
} from "@moho/aws";
import { describe, expect, it } from "vitest";
import { SECRET } from "./requests.ts";

const NOW = Date.parse("2026-01-02T03:04:05Z");
const long = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: SECRET };
const PREFIX = "bedrock-api-key-";
const presigned = (key: string) => Buffer.from(key.slice(PREFIX.length), "base64").toString();
const rewrap = (text: string) => PREFIX + Buffer.from(text).toString("base64");
const prove = (text: string, now = NOW, secret = SECRET, regions: string[] = []) => {
  const key = parseShortTermKey(text);
  return key && verifyShortTermKey(key, secret, { now, regions, keys: new SigningKeys() });
};

describe("short-term keys", () => {
  it.each([
    [long, "us-east-1", 43_200, "a7e60d008bb2b3e53c57f4b2566e9d5b5fc59b6b56a4a552c6aa0d0fee79b57d"],
    [
      { accessKeyId: "ASIDEXAMPLE", secretAccessKey: SECRET, sessionToken: "TOK/EN+1==" },
      "eu-west-1",
      900,
      "33b8506606373f938ac7d36ce851f5417677f996ed067d342c2f15f01fc9d522",
    ],
  ])("the generator's vectors", (credentials, region, seconds, signature) => {
    const { key, expiresAt } = mintShortTermKey(credentials, { region, now: NOW, seconds });
    expect(presigned(key)).toContain(`X-Amz-Signature=${signature}`);
    expect(expiresAt).toBe(NOW + seconds * 1000);
    expect(parseShortTermKey(key)).toMatchObject({
      accessKeyId: credentials.accessKeyId,
      region,
      expiresAt,
    });
    expect(regionOfShortTermKey(key)).toBe(region);
    expect(prove(key)).toEqual({ ok: true });
  });

  it("live as long as asked, twelve hours, or the credentials, whichever ends first", () => {
    const life = (seconds?: number, left?: number) =>
      mintShortTermKey(
        { ...long, ...(left === undefined ? {} : { expiration: NOW + left * 1000 }) },
        { region: "us-east-1", now: NOW, ...(seconds === undefined ? {} : { seconds }) },
      ).expiresAt - NOW;
    expect(life()).toBe(43_200_000);
    expect(life(90_000)).toBe(43_200_000);
    expect(life(60)).toBe(60_000);
    expect(life(60, 30.9)).toBe(30_000);
    expect(() => life(60, 0.5)).toThrow(/expire/);
    expect(() => life(60, -5)).toThrow(/expire/);
  });

  it("are refused past their end, before their time, elsewhere, and for another secret", () => {
    const { key } = mintShortTermKey(long, { region: "us-east-1", now: NOW, seconds: 60 });
    expect(prove(key, NOW + 59_999)).toEqual({ ok: true });
    expect(prove(key, NOW + 60_000)).toMatchObject({
      code: "expired_credentials",
      awsName: "ExpiredTokenException",
      message: "Bearer Token has expired",
    });
    expect(prove(key, NOW - 300_001)).toMatchObject({ code: "clock_skew" });
    expect(prove(key, NOW, SECRET, ["us-east-1"])).toEqual({ ok: true });
    expect(prove(key, NOW, SECRET, ["eu-west-1"])).toMatchObject({ code: "invalid_signature" });
    expect(prove(key, NOW, "other")).toMatchObject({ code: "invalid_signature" });
    expect(prove(key, NOW + 60_000, "other")).toMatchObject({ code: "invalid_signature" });
  });

  it("tolerate missing padding and the url-safe alphabet", () => {
    const { key } = mintShortTermKey({ ...long, sessionToken: "??>>~~" }, { region: "us-east-1", now: NOW });
    const safe = key.replace(/=+$/, "").replace(PREFIX, "").replaceAll("+", "-").replaceAll("/", "_");
    expect(prove(PREFIX + safe)).toEqual({ ok: true });
  });

  it("every changed character is refused", () => {
    const { key } = mintShortTermKey({ ...long, sessionToken: "tok" }, { region: "us-east-1", now: NOW });
    const text = presigned(key).replace("&Version=1", "");
    for (let i = 0; i < text.length; i++) {
      const changed = text.slice(0, i) + String.fromCharCode(text.charCodeAt(i) ^ 1) + text.slice(i + 1);
      expect(prove(rewrap(changed)) ?? { ok: false }, `${i}`).toMatchObject({ ok: false });
    }
    expect(prove(rewrap(text))).toEqual({ ok: true });
  });

  it("a presigned request for anything else is no key", () => {
    const sign = (target: string, expiresIn = 60, host = "bedrock.amazonaws.com") =>
      rewrap(
        host +
          presignRequest({ method: "POST", host, target, body: "" }, long, {
            service: "bedrock",
            region: "us-east-1",
            now: NOW,
            expiresIn,
          }),
      );
    expect(prove(sign("/?Action=CallWithBearerToken"))).toEqual({ ok: true });
    expect(prove(sign("/?Action=GetCallerIdentity"))).toBeUndefined();
    expect(prove(sign("/"))).toBeUndefined();
    expect(prove(sign("/?Action=CallWithBearerToken&Action=Other"))).toBeUndefined();
    expect(prove(sign("/model/x/invoke?Action=CallWithBearerToken"))).toBeUndefined();
    expect(prove(sign("/?Action=CallWithBearerToken", 43_201))).toBeUndefined();
    expect(prove(sign("/?Action=CallWithBearerToken", 60, "sts.amazonaws.com"))).toBeUndefined();
  });

  it.each([
    "",
    "x",
    PREFIX,
    `${PREFIX}!!!`,
    `${PREFIX}${"A".repeat(20_000)}`,
    rewrap("bedrock.amazonaws.com/?"),
    "ABSKabc",
  ])("%# is not one", (text) => {
    expect(parseShortTermKey(text)).toBeUndefined();
    expect(regionOfShortTermKey(text)).toBeUndefined();
  });
});

describe("long-term keys", () => {
  it("have AWS's text form", () => {
    const random = (bytes: number) => new Uint8Array(bytes).fill(255);
    const { key, alias } = newLongTermKey({ account: "123456789012", random });
    expect(alias).toBe("BedrockAPIKey-ffff-at-123456789012");
    expect(key.startsWith("ABSK")).toBe(true);
    expect(Buffer.from(key.slice(4), "base64").toString()).toBe(
      `${alias}:${Buffer.alloc(32, 255).toString("base64")}`,
    );
  });

  it("are told apart by their form", () => {
    expect(classifyBearer("ABSKQmVk")).toBe("long-term");
    expect(classifyBearer("bedrock-api-key-YmVk")).toBe("short-term");
    expect(classifyBearer("sk-123")).toBe("other");
  });
});
