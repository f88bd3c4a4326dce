/** Calls a model: catalogue, credentials, upstreams, transports, and the client of an agent. */

export { DEFAULT_MODEL } from "./catalogue/models.ts";
export { type ModelQuestion, type Provider, type ResolvedModel, resolveModel } from "./catalogue/resolve.ts";
export type { RetryLimits } from "./client/backoff.ts";
export { createModelClient, type ModelClientOptions } from "./client/client.ts";
export { createCredentials, fixedCredentials } from "./credentials/cache.ts";
export { type CredentialReport, explainCredentials, type WinnerReport } from "./credentials/explain.ts";
export { findRegion, type RegionChoice } from "./credentials/region.ts";
export type {
  Auth,
  CommandSettings,
  CredentialSettings,
  Credentials,
  CredentialWorld,
} from "./credentials/types.ts";
export type * from "./ports.ts";
export { createNodeTransport, type NodeTransport } from "./transport/node-http.ts";
export { createUndiciTransport, type UndiciOptions, type UndiciTransport } from "./transport/undici.ts";
export { type BedrockMantleOptions, createBedrockMantle } from "./upstreams/bedrock-mantle/index.ts";
export { type BedrockRuntimeOptions, createBedrockRuntime } from "./upstreams/bedrock-runtime/index.ts";
export { createOpenAiCompatible, type OpenAiCompatibleOptions } from "./upstreams/openai-compatible/index.ts";
export { createScripted, type ScriptedOptions } from "./upstreams/scripted/index.ts";
export { parseScript, type ScriptItem, type ScriptTurn } from "./upstreams/scripted/script.ts";
