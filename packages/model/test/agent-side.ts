/** A model client against a scripted server on a real socket, without waiting between tries. */

import type { Item, ModelEvent } from "@moho/protocol";
import { type Script, type ScriptedModel, startScriptedModel } from "@moho/testkit";
import {
  type Credentials,
  createBedrockMantle,
  createModelClient,
  createNodeTransport,
  fixedCredentials,
  type ModelClient,
  type ModelClientOptions,
  resolveModel,
} from "../src/index.ts";

export interface Bench {
  model: ScriptedModel;
  client: ModelClient;
  /** Milliseconds that the client would have waited between tries. */
  waits: number[];
  close(): Promise<void>;
}

export const STATIC_KEYS = fixedCredentials({
  kind: "sigv4",
  source: "the test",
  credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
});

export interface BenchOptions {
  clocks?: { connect: number; firstByte: number; idle: number };
  credentials?: Credentials;
  retries?: ModelClientOptions["retries"];
  model?: string;
  now?: () => number;
}

export async function bench(script: Script, options: BenchOptions = {}): Promise<Bench> {
  const model = await startScriptedModel(script);
  const transport = createNodeTransport();
  const waits: number[] = [];
  const now = options.now ?? Date.now;
  const credentials = options.credentials ?? STATIC_KEYS;
  const region = "us-east-1";
  const resolved = resolveModel({
    model: options.model ?? "gpt-5.6-sol",
    provider: "amazon-bedrock",
    region,
    baseUrl: model.url,
    now: now(),
  });
  const upstream = createBedrockMantle({
    name: "Bedrock Mantle",
    region,
    baseUrl: model.url,
    credentials,
    transport,
    now,
    ...(options.clocks && { clocks: options.clocks }),
  });
  const client = createModelClient({
    upstream,
    model: resolved,
    credentials,
    ...(options.retries && { retries: options.retries }),
    random: () => 0,
    sleep: async (milliseconds) => void waits.push(milliseconds),
  });
  return {
    model,
    client,
    waits,
    async close() {
      transport.close();
      await model.close();
    },
  };
}

export const USER: Item = { type: "message", role: "user", content: "Fix the test." };

/** Every event of one call, with the rule held that there is one last event, and only one. */
export async function play(
  client: ModelClient,
  input: Item[] = [USER],
  signal: AbortSignal = new AbortController().signal,
): Promise<ModelEvent[]> {
  const events: ModelEvent[] = [];
  for await (const event of client.stream({ model: "ignored", input }, { signal })) events.push(event);
  const last = events.filter(({ type }) => type === "completed" || type === "failed");
  if (last.length !== 1 || events.at(-1) !== last[0]) throw new Error("not exactly one last event");
  return events;
}

export function itemsDone(events: readonly ModelEvent[]): { index: number; item: Item }[] {
  return events.flatMap((event) =>
    event.type === "item.done" ? [{ index: event.index, item: event.item }] : [],
  );
}
