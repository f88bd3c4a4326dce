/** For tests only: a scripted model server, fake AWS credential services, canaries. Nobody ships it. */

export type { MetadataState } from "./aws/metadata.ts";
export { type FakeAws, startFakeAws } from "./aws/server.ts";
export type { SsoState } from "./aws/sso.ts";
export type { StsState } from "./aws/sts.ts";
export { type Canaries, plantCanaries } from "./home/canaries.ts";
export { type TempHome, withTempHome } from "./home/temp-home.ts";
export { calls, callsFreeform, says, thinks } from "./model/items.ts";
export {
  type Fault,
  type HttpAnswer,
  openAiError,
  REFUSALS,
  type RecordedRequest,
  type Script,
  type Turn,
} from "./model/script.ts";
export {
  refusingUrl,
  type ScriptedModel,
  type ScriptedModelOptions,
  startScriptedModel,
} from "./model/server.ts";
export { type Random, randomChunks, seededRandom } from "./random.ts";
