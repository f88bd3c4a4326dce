/** A whole gateway on a real socket, with a real store and real access; the model behind it is scripted. */

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AccessControl, createAccess, createSeal } from "@moho/access";
import { type AwsCredentials, signRequest } from "@moho/aws";
import { createOpenAiCompatible, createUndiciTransport, fixedCredentials, type Upstream } from "@moho/model";
import type { Usage } from "@moho/protocol";
import { openStore, type Store, verifyStream } from "@moho/store";
import { type Script, type ScriptedModel, says, startScriptedModel } from "@moho/testkit";
import {
  AUDIT_STREAM,
  createGateway,
  type GatewayDeps,
  type GatewaySettings,
  type ModelFacts,
  type RunningGateway,
} from "../src/index.ts";

export const ACCOUNT = "111122223333";
export const REGION = "us-east-1";
export const MODEL = "openai.gpt-5.5";
export const API_KEY = "ABSK-test-key-of-nobody";
export const KEYS = {
  accessKeyId: "AKIDTESTDEV",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};
export const USAGE: Usage = { input: 100, cacheRead: 40, cacheWrite: 0, output: 20, reasoning: 5 };

/** $1 a million input tokens, $10 a million output tokens: easy sums. */
export const FACTS: ModelFacts = {
  price: { input: 1_000, cacheRead: 100, cacheWrite: 1_000, output: 10_000 },
  contextWindow: 100_000,
  maxOutput: 1_000,
};

const ALLOW_ALL = {
  Version: "2012-10-17",
  Statement: [{ Sid: "All", Effect: "Allow", Action: "bedrock-mantle:*", Resource: "*" }],
};

export interface World {
  base: string;
  port: number;
  model: ScriptedModel;
  store: Store;
  access: AccessControl;
  gateway: RunningGateway;
  logged: string[];
  /** All audit records, parsed, once there are `count`. */
  records(count: number): Promise<AuditRecord[]>;
  close(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads into the record as deep as it likes
export type AuditRecord = any;

export interface WorldOptions {
  script?: Script;
  store?: "memory" | "sqlite";
  policy?: unknown;
  settings?: Partial<GatewaySettings>;
  deps?: (deps: GatewayDeps) => Partial<GatewayDeps>;
  /** Base URL of the upstream, instead of the scripted model. */
  upstreamUrl?: string;
  facts?: (model: string) => ModelFacts | undefined;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const folder = options.store === "sqlite" ? mkdtempSync(join(tmpdir(), "moho-gateway-")) : undefined;
  const store = await openStore(folder ? `sqlite:${join(folder, "store.db")}` : "memory:");
  const random = (size: number) => randomBytes(size);
  const access = createAccess({
    documents: store.documents,
    seal: createSeal(randomBytes(32), random),
    clock: Date.now,
    random,
    account: ACCOUNT,
    partition: "aws",
    regions: [REGION],
  });
  await access.administration.putPolicy("dev", options.policy ?? ALLOW_ALL);
  await access.administration.createPrincipal({ name: "dev", policies: ["dev"], tags: { team: "core" } });
  await access.administration.issueAccessKey("dev", { given: KEYS });
  await access.administration.issueApiKey("dev", { given: API_KEY });

  const model = await startScriptedModel(
    options.script ?? (() => ({ items: [says("Hello.")], usage: USAGE })),
    {
      models: [MODEL, "openai.gpt-oss-20b"],
    },
  );
  const transport = createUndiciTransport();
  const upstream: Upstream = createOpenAiCompatible({
    name: "main",
    baseUrl: options.upstreamUrl ?? `${model.url}/v1`,
    credentials: fixedCredentials({ kind: "none", source: "a test" }),
    transport,
    now: Date.now,
  });
  const logged: string[] = [];
  const log = (message: string, fields?: object) =>
    void logged.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const deps: GatewayDeps = {
    access,
    ledger: store.ledger,
    log: store.log,
    upstreams: new Map([["main", upstream]]),
    models: options.facts ?? (() => FACTS),
    clock: Date.now,
    random,
    logger: { info: log, warn: log, error: log },
  };
  const settings: GatewaySettings = {
    region: REGION,
    account: ACCOUNT,
    routes: [{ model: "openai.*", upstream: "main" }],
    ...options.settings,
    limits: { drainMs: 500, ...options.settings?.limits },
  };
  const gateway = await createGateway({ ...deps, ...options.deps?.(deps) }, settings).listen({
    host: "127.0.0.1",
    port: 0,
  });
  return {
    base: `http://127.0.0.1:${gateway.port}`,
    port: gateway.port,
    model,
    store,
    access,
    gateway,
    logged,
    records: (count) => readRecords(store, count),
    async close() {
      await gateway.close();
      await model.close();
      await transport.close();
      await verifyStream(store.log, AUDIT_STREAM);
      await store.close();
      if (folder) rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function readRecords(store: Store, count: number): Promise<AuditRecord[]> {
  await until(async () => ((await store.log.last(AUDIT_STREAM))?.seq ?? 0) >= count);
  const records: AuditRecord[] = [];
  for await (const { body } of store.log.read(AUDIT_STREAM)) records.push(JSON.parse(body));
  return records;
}

/** Waits for something that happens soon; the test's own clock ends a wait for what never does. */
export async function until(happened: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await happened())) await new Promise((resolve) => setTimeout(resolve, 2));
}

export function request(body: object = {}): string {
  return JSON.stringify({ model: MODEL, input: "Say hello.", stream: false, ...body });
}

/** A `POST` with the API key. */
export function post(world: World, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${world.base}/openai/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json", ...headers },
    body,
  });
}

/** Headers of a signed `POST`. */
export function signed(
  world: World,
  body: string,
  options: { keys?: AwsCredentials; now?: number; path?: string; method?: string; service?: string } = {},
): Record<string, string> {
  const headers = { "content-type": "application/json" };
  const target = options.path ?? "/openai/v1/responses";
  const signable = {
    method: options.method ?? "POST",
    host: `127.0.0.1:${world.port}`,
    target,
    headers,
    body,
  };
  const extra = signRequest(signable, options.keys ?? KEYS, {
    service: options.service ?? "bedrock-mantle",
    region: REGION,
    now: options.now ?? Date.now(),
  });
  return { ...headers, ...extra };
}

export async function errorOf(
  response: Response,
): Promise<{ status: number; code: string; message: string }> {
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  return { status: response.status, code: error.code, message: error.message };
}
