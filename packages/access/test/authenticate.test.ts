/** Who is calling, through the front door: every credential, every refusal, and what attackers try. */

import { mintShortTermKey } from "@moho/aws";
import { describe, expect, it } from "vitest";
import { ACCOUNT, memoryDocuments, refusal, request, setting, signedRequest } from "./setting.ts";

const SERVICES = ["bedrock-mantle", "bedrock"];
const HOURS = 3_600_000;

async function withUser(options: Parameters<typeof setting>[0] = {}) {
  const all = setting(options);
  await all.administration.createPrincipal({ name: "dev", tags: { team: "core" } });
  const credentials = await all.administration.issueAccessKey("dev");
  const authenticate = (one: Parameters<typeof all.access.authenticate>[0], services = SERVICES) =>
    all.access.authenticate(one, services);
  return { ...all, credentials, authenticate };
}
const bearer = (key: string) => request({ Authorization: `Bearer ${key}` });

const INVALID_KEY = {
  code: "invalid_api_key",
  message: "Invalid bearer token",
  details: {
    awsName: "AccessDeniedException",
    awsStatus: 403,
    awsMessage: "Authentication failed: Please make sure your API Key is valid.",
  },
};
const UNKNOWN_KEY = {
  code: "unknown_access_key",
  message: "The security token included in the request is invalid.",
  details: { awsName: "UnrecognizedClientException" },
};

describe("SigV4", () => {
  it("names the principal", async () => {
    const { authenticate, credentials } = await withUser();
    expect(credentials.accessKeyId).toMatch(/^AKIA[A-Z2-7]{16}$/);
    expect(credentials.secretAccessKey).toMatch(/^[A-Za-z0-9+/]{40}$/);
    expect(await authenticate(signedRequest(credentials))).toEqual({
      arn: `arn:aws:iam::${ACCOUNT}:user/dev`,
      account: ACCOUNT,
      type: "IAMUser",
      name: "dev",
      id: expect.stringMatching(/^AIDA[A-Z2-7]{16}$/),
      accessKeyId: credentials.accessKeyId,
      credential: "sigv4",
      tags: { team: "core" },
      policies: [],
    });
  });

  it("takes the route's services and no other", async () => {
    const { authenticate, credentials } = await withUser();
    const runtime = signedRequest(credentials, { service: "bedrock" });
    expect((await authenticate(runtime)).name).toBe("dev");
    expect(await refusal(authenticate(runtime, ["bedrock-mantle"]))).toMatchObject({
      code: "invalid_signature",
      message: "Credential should be scoped to correct service: 'bedrock-mantle'.",
    });
  });

  it("a wrong region is named, any region may be allowed", async () => {
    const { authenticate, credentials } = await withUser();
    expect(await refusal(authenticate(signedRequest(credentials, { region: "eu-west-1" })))).toMatchObject({
      code: "invalid_signature",
      details: { awsName: "InvalidSignatureException" },
    });
    const anywhere = await withUser({ regions: [] });
    const theirs = signedRequest(anywhere.credentials, { region: "eu-west-1" });
    expect((await anywhere.authenticate(theirs)).name).toBe("dev");
  });

  it("unknown key, wrong secret, skewed clock, nothing at all", async () => {
    const { authenticate, credentials, time } = await withUser();
    const stranger = { ...credentials, accessKeyId: "AKIAUNKNOWN" };
    expect(await refusal(authenticate(signedRequest(stranger)))).toEqual(UNKNOWN_KEY);
    const forged = { ...credentials, secretAccessKey: "guess" };
    expect(await refusal(authenticate(signedRequest(forged)))).toMatchObject({ code: "invalid_signature" });
    for (const minutes of [-20, 20])
      expect(
        await refusal(authenticate(signedRequest(credentials, { now: time.now + minutes * 60_000 }))),
      ).toMatchObject({ code: "clock_skew", details: { awsName: "InvalidSignatureException" } });
    expect(await refusal(authenticate(request({})))).toEqual({
      code: "missing_credentials",
      message: "Missing Authentication Token",
      details: { awsName: "MissingAuthenticationTokenException" },
    });
  });

  it("a body other than the signed one", async () => {
    const { authenticate, credentials } = await withUser();
    const swapped = { ...signedRequest(credentials), bodySha256: "0".repeat(64) };
    expect(await refusal(authenticate(swapped))).toMatchObject({ code: "invalid_signature" });
  });

  it("screens a head before its body, and proves the rest after it, at the time of the head", async () => {
    const { access, credentials, time } = await withUser();
    const { bodySha256, ...head } = signedRequest(credentials);
    const prove = await access.screen(head, SERVICES);
    time.now += 20 * 60_000;
    expect((await prove(bodySha256)).name).toBe("dev");
    expect(await refusal(prove("0".repeat(64)))).toMatchObject({ code: "invalid_signature" });
    expect(await refusal(access.screen(head, SERVICES))).toMatchObject({ code: "clock_skew" });
    expect(await refusal(access.screen({ ...head, rawHeaders: [] }, SERVICES))).toMatchObject({
      code: "missing_credentials",
    });
  });

  it("a project that was added to a signed request", async () => {
    const { authenticate, credentials } = await withUser();
    const one = signedRequest(credentials);
    const moved = { ...one, rawHeaders: [...one.rawHeaders, "OpenAI-Project", "proj_rich"] };
    expect(await refusal(authenticate(moved))).toMatchObject({
      code: "invalid_signature",
      message: expect.stringContaining("'openai-project' changes what the request may do"),
    });
  });

  it("behind a proxy that rewrites `host`", async () => {
    const { authenticate, credentials } = await withUser({ alternateHosts: ["127.0.0.1:8994"] });
    const one = signedRequest(credentials);
    const rewritten = {
      ...one,
      rawHeaders: one.rawHeaders.map((t) => (t === "127.0.0.1:8994" ? "inner" : t)),
    };
    expect((await authenticate(rewritten)).name).toBe("dev");
  });
});

describe("temporary credentials", () => {
  it("need their session token, and end", async () => {
    const { authenticate, administration, time } = await withUser();
    const session = await administration.issueAccessKey("dev", { sessionSeconds: 3600 });
    expect(session.accessKeyId).toMatch(/^ASIA/);
    expect(session.expiration).toBe(time.now + HOURS);
    expect((await authenticate(signedRequest(session))).name).toBe("dev");
    const { sessionToken, ...bare } = session;
    expect(await refusal(authenticate(signedRequest(bare)))).toEqual(UNKNOWN_KEY);
    expect(await refusal(authenticate(signedRequest({ ...bare, sessionToken: `${sessionToken}x` })))).toEqual(
      UNKNOWN_KEY,
    );
    time.now += HOURS;
    expect(await refusal(authenticate(signedRequest(session, { now: time.now })))).toEqual({
      code: "expired_credentials",
      message: "The security token included in the request is expired",
      details: { awsName: "ExpiredTokenException" },
    });
  });

  it("a session token beside a lasting key is refused", async () => {
    const { authenticate, credentials } = await withUser();
    expect(await refusal(authenticate(signedRequest({ ...credentials, sessionToken: "x" })))).toEqual(
      UNKNOWN_KEY,
    );
  });
});

describe("short-term keys", () => {
  it("on either header, verified offline", async () => {
    const { authenticate, credentials, time } = await withUser();
    const { key } = mintShortTermKey(credentials, { region: "us-east-1", now: time.now });
    const expected = { name: "dev", credential: "short-term-key", accessKeyId: credentials.accessKeyId };
    expect(await authenticate(bearer(key))).toMatchObject(expected);
    expect(await authenticate(request({ "X-Api-Key": key }))).toMatchObject(expected);
    expect(await authenticate(request({ authorization: `bearer  ${key}` }))).toMatchObject(expected);
  });

  it("of temporary credentials", async () => {
    const { authenticate, administration, time } = await withUser();
    const session = await administration.issueAccessKey("dev", { sessionSeconds: 3600 });
    const { key } = mintShortTermKey(session, { region: "us-east-1", now: time.now });
    expect((await authenticate(bearer(key))).name).toBe("dev");
    const { sessionToken: _, ...bare } = session;
    const without = mintShortTermKey(bare, { region: "us-east-1", now: time.now });
    expect(await refusal(authenticate(bearer(without.key)))).toEqual(INVALID_KEY);
  });

  it("expired, from the future, forged, of another region, of a disabled key", async () => {
    const { authenticate, administration, credentials, time } = await withUser();
    const mint = (change: object = {}) =>
      bearer(
        mintShortTermKey(credentials, { region: "us-east-1", now: time.now, seconds: 60, ...change }).key,
      );
    expect(await refusal(authenticate(mint({ now: time.now - 60_000 })))).toEqual({
      code: "expired_credentials",
      message: "Bearer Token has expired",
      details: { awsName: "ExpiredTokenException" },
    });
    expect(await refusal(authenticate(mint({ now: time.now + HOURS })))).toMatchObject({
      code: "clock_skew",
    });
    const forged = mintShortTermKey(
      { ...credentials, secretAccessKey: "guess" },
      { region: "us-east-1", now: time.now },
    );
    expect(await refusal(authenticate(bearer(forged.key)))).toEqual(INVALID_KEY);
    expect(await refusal(authenticate(mint({ region: "eu-west-1" })))).toEqual(INVALID_KEY);
    const live = mint();
    expect((await authenticate(live)).name).toBe("dev");
    await administration.setKeyEnabled(credentials.accessKeyId, false);
    expect(await refusal(authenticate(live))).toEqual(INVALID_KEY);
  });
});

describe("long-term keys", () => {
  it("in AWS's form, shown once, found by their hash", async () => {
    const { authenticate, administration, documents } = await withUser();
    const { id, key } = await administration.issueApiKey("dev");
    expect(id).toMatch(/^ACCA[A-Z2-7]{16}$/);
    expect(Buffer.from(key.slice(4), "base64").toString()).toMatch(
      /^BedrockAPIKey-[0-9a-f]{4}-at-123456789012:/,
    );
    const expected = { name: "dev", credential: "long-term-key", accessKeyId: id };
    expect(await authenticate(bearer(key))).toMatchObject(expected);
    expect(await authenticate(request({ "x-api-key": key }))).toMatchObject(expected);
    expect(documents.dump()).not.toContain(key);
    expect(documents.dump()).not.toContain(key.slice(40, 60));
  });

  it("a given text serves as a key, and not twice", async () => {
    const { authenticate, administration } = await withUser();
    await administration.issueApiKey("dev", { given: "my-dev-key" });
    expect((await authenticate(bearer("my-dev-key"))).name).toBe("dev");
    expect(await refusal(administration.issueApiKey("dev", { given: "my-dev-key" }))).toMatchObject({
      code: "conflict",
    });
    expect(await refusal(administration.issueApiKey("dev", { given: "a b c d e f" }))).toMatchObject({
      code: "invalid_request",
    });
  });

  it("expired, disabled, altered, unknown", async () => {
    const { authenticate, administration, time } = await withUser();
    const { id, key } = await administration.issueApiKey("dev", { days: 1 });
    expect((await authenticate(bearer(key))).name).toBe("dev");
    for (const other of [
      `${key}x`,
      key.slice(0, -1),
      "ABSK",
      "sk-1",
      "bedrock-api-key-",
      "bedrock-api-key-AAAA",
    ])
      expect(await refusal(authenticate(bearer(other))), other).toEqual(INVALID_KEY);
    await administration.setKeyEnabled(id, false);
    expect(await refusal(authenticate(bearer(key)))).toEqual(INVALID_KEY);
    await administration.setKeyEnabled(id, true);
    time.now += 24 * HOURS;
    expect(await refusal(authenticate(bearer(key)))).toMatchObject({ code: "expired_credentials" });
  });
});

it("a record found by a key's id is used only for that very key", async () => {
  const { authenticate, administration, documents } = await withUser();
  const { id, key } = await administration.issueApiKey("dev");
  const found = await documents.get<object>("api-key", id);
  await documents.put("api-key", id, { ...found?.value, sha256: "0".repeat(64) });
  expect(await refusal(authenticate(bearer(key)))).toEqual(INVALID_KEY);
});

describe("confusing headers", () => {
  it.each([
    [{ Authorization: "Basic ZGV2OmRldg==" }, "missing_credentials"],
    [{ Authorization: "Bearer" }, "missing_credentials"],
    [{ Authorization: "Bearer a b" }, "missing_credentials"],
    [{ Authorization: "" }, "missing_credentials"],
    [{ Authorization: "Bearer nonsense", authorization: "Bearer nonsense" }, "invalid_api_key"],
    [{ "x-api-key": "nonsense", "X-API-KEY": "other" }, "invalid_api_key"],
    [{ Authorization: "AWS4-HMAC-SHA256 Credential=x" }, "invalid_signature"],
    [{ Authorization: "Bearer __proto__" }, "invalid_api_key"],
    [{ Authorization: `Bearer ${"A".repeat(100_000)}` }, "invalid_api_key"],
  ])("%#", async (headers, code) => {
    const { authenticate } = await withUser();
    expect(await refusal(authenticate(request(headers as unknown as Record<string, string>)))).toMatchObject({
      code,
    });
  });

  it("a good key beside a second authorization is refused", async () => {
    const { authenticate, administration } = await withUser();
    const { key } = await administration.issueApiKey("dev");
    const twice = request({ Authorization: `Bearer ${key}`, authorization: "Bearer other" });
    expect(await refusal(authenticate(twice))).toEqual(INVALID_KEY);
  });

  it("no refusal carries key material", async () => {
    const { authenticate, administration, credentials, time } = await withUser();
    const { key } = await administration.issueApiKey("dev", { days: 1 });
    const short = mintShortTermKey(credentials, { region: "us-east-1", now: time.now, seconds: 1 }).key;
    time.now += 48 * HOURS;
    for (const one of [signedRequest(credentials), bearer(key), bearer(short), bearer(`${key}x`)]) {
      const text = JSON.stringify(await refusal(authenticate(one)));
      for (const secret of [credentials.secretAccessKey, credentials.accessKeyId, key, short])
        expect(text).not.toContain(secret);
    }
  });
});

describe("changes", () => {
  it("a disabled principal is refused as an unknown one, at once, and comes back", async () => {
    const { authenticate, administration, credentials } = await withUser();
    const { key } = await administration.issueApiKey("dev");
    await authenticate(signedRequest(credentials));
    await authenticate(bearer(key));
    await administration.setPrincipalEnabled("dev", false);
    expect(await refusal(authenticate(signedRequest(credentials)))).toEqual(UNKNOWN_KEY);
    expect(await refusal(authenticate(bearer(key)))).toEqual(INVALID_KEY);
    await administration.setPrincipalEnabled("dev", true);
    expect((await authenticate(bearer(key))).name).toBe("dev");
  });

  it("the hot path reads no document", async () => {
    const { access, authenticate, administration, credentials, documents } = await withUser();
    await administration.putPolicy("P", {
      Version: "2012-10-17",
      Statement: { Effect: "Allow", Action: "*", Resource: "*" },
    });
    await administration.attachPolicy("dev", "P");
    const call = async () => {
      const caller = await authenticate(signedRequest(credentials));
      return access.authorize({
        principal: caller,
        action: "bedrock:InvokeModel",
        resource: "*",
        context: {},
      });
    };
    expect((await call()).effect).toBe("allow");
    const before = documents.reads;
    await Promise.all(Array.from({ length: 50 }, call));
    expect(documents.reads).toBe(before);
  });

  it("another process's change is seen within three seconds, and many callers cause one read", async () => {
    const documents = memoryDocuments();
    const ours = await withUser({ documents });
    const theirs = setting({ documents, seed: 2 });
    await ours.authenticate(signedRequest(ours.credentials));
    await theirs.administration.setKeyEnabled(ours.credentials.accessKeyId, false);
    expect((await ours.authenticate(signedRequest(ours.credentials))).name).toBe("dev");
    ours.time.now += 3000;
    const before = documents.reads;
    const refused = await Promise.all(
      Array.from({ length: 20 }, () => refusal(ours.authenticate(signedRequest(ours.credentials)))),
    );
    expect(refused.every(({ code }) => code === "unknown_access_key")).toBe(true);
    expect(documents.reads).toBe(before + 1);
  });

  it("a read that a change overtook is not kept", async () => {
    const documents = memoryDocuments();
    const { authenticate, administration, credentials, time } = await withUser({ documents });
    await authenticate(signedRequest(credentials));
    time.now += 3000;
    const slow = documents.get;
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    documents.get = async (kind, id) => {
      const found = await slow(kind, id);
      if (kind === "access-key") await gate;
      return found as never;
    };
    const overtaken = authenticate(signedRequest(credentials));
    documents.get = slow;
    await administration.setKeyEnabled(credentials.accessKeyId, false);
    const after = refusal(authenticate(signedRequest(credentials)));
    expect((await after).code).toBe("unknown_access_key");
    release();
    await overtaken;
    expect((await refusal(authenticate(signedRequest(credentials)))).code).toBe("unknown_access_key");
  });
});
