/** One gateway's access over documents in memory, with a clock the tests turn and randomness they can repeat. */

import { createAccess, createSeal, type Principal, type ReceivedRequest } from "@moho/access";
import { type AwsCredentials, signRequest } from "@moho/aws";
import { MohoError } from "@moho/protocol";
import type { Documents } from "@moho/store";

export const ACCOUNT = "123456789012";
export const PROJECT = `arn:aws:bedrock-mantle:us-east-1:${ACCOUNT}:project/default`;
export const HOST = "127.0.0.1:8994";
export const TARGET = "/openai/v1/responses";
export const BODY = '{"model":"m"}';
export const BODY_SHA256 = "b07c9a7a4f7efd8fbfb8ba3bf6bc6d3ba7c2ad5ec5e7be1cd7fd2e0d5a9a7ec9";
const NOW = Date.parse("2026-01-02T03:04:05Z");

/** Documents in memory that count reads. Values are copied as a database would. */
export function memoryDocuments(): Documents & { reads: number; dump(): string } {
  const rows = new Map<string, { text: string; version: number }>();
  const store = {
    reads: 0,
    dump: () => JSON.stringify([...rows]),
    async get<T>(kind: string, id: string) {
      store.reads++;
      const row = rows.get(`${kind} ${id}`);
      return row && { value: JSON.parse(row.text) as T, version: row.version };
    },
    async put(kind: string, id: string, value: unknown, expected?: number) {
      const version = rows.get(`${kind} ${id}`)?.version ?? 0;
      if (expected !== undefined && expected !== version)
        throw new MohoError("conflict", "changed meanwhile");
      rows.set(`${kind} ${id}`, { text: JSON.stringify(value), version: version + 1 });
      return version + 1;
    },
    async delete(kind: string, id: string) {
      return rows.delete(`${kind} ${id}`);
    },
    async list<T>(kind: string, options: { prefix?: string; after?: string; limit?: number } = {}) {
      return [...rows]
        .filter(([key]) => key.startsWith(`${kind} ${options.prefix ?? ""}`))
        .map(([key, row]) => ({
          id: key.slice(kind.length + 1),
          value: JSON.parse(row.text) as T,
          version: row.version,
        }))
        .filter(({ id }) => options.after === undefined || id > options.after)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, options.limit);
    },
  };
  return store;
}

/** Repeatable bytes: good enough for tests, and different at each call. */
export function seededRandom(seed = 1): (bytes: number) => Uint8Array {
  let state = seed;
  return (bytes) =>
    Uint8Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return state >>> 16;
    });
}

export function setting(
  options: {
    documents?: ReturnType<typeof memoryDocuments>;
    regions?: string[];
    alternateHosts?: string[];
    seed?: number;
  } = {},
) {
  const documents = options.documents ?? memoryDocuments();
  const time = { now: NOW };
  const random = seededRandom(options.seed);
  const access = createAccess({
    documents,
    seal: createSeal(new Uint8Array(32).fill(7), random),
    clock: () => time.now,
    random,
    account: ACCOUNT,
    partition: "aws",
    regions: options.regions ?? ["us-east-1"],
    ...(options.alternateHosts ? { alternateHosts: options.alternateHosts } : {}),
  });
  return { access, administration: access.administration, documents, time };
}

/** A request with `headers`, as Node delivers it. */
export function request(headers: Readonly<Record<string, string>>, target = TARGET): ReceivedRequest {
  return {
    method: "POST",
    rawTarget: target,
    rawHeaders: Object.entries({ Host: HOST, "Content-Type": "application/json", ...headers }).flat(),
    bodySha256: BODY_SHA256,
  };
}

export function signedRequest(
  credentials: AwsCredentials,
  options: { now?: number; service?: string; region?: string } = {},
): ReceivedRequest {
  const headers = { "Content-Type": "application/json" };
  return request(
    signRequest(
      { method: "POST", host: HOST, target: TARGET, headers, body: { sha256: BODY_SHA256 } },
      credentials,
      { service: "bedrock-mantle", region: "us-east-1", now: NOW, ...options },
    ),
  );
}

/** The code, message and details of what `run` rejects with. */
export async function refusal(
  run: Promise<unknown>,
): Promise<Pick<MohoError, "code" | "message" | "details">> {
  const error = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof MohoError)) throw new Error("expected a MohoError", { cause: error });
  const { code, message, details } = error;
  return { code, message, details };
}

export function principal(change: Partial<Principal> = {}): Principal {
  return {
    arn: `arn:aws:iam::${ACCOUNT}:user/dev`,
    account: ACCOUNT,
    type: "IAMUser",
    name: "dev",
    id: "AIDADEV",
    accessKeyId: "AKIDEXAMPLE",
    credential: "sigv4",
    tags: {},
    policies: [],
    ...change,
  };
}
