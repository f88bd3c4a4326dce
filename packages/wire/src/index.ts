/** The model dialects: framing, translation to and from the hub, errors. Pure. */

export {
  type AnswerEnd,
  formatResponsesEvent,
  type ResponsesAnswer,
  type ResponsesStreamEvent,
  responsesBody,
  responsesEvents,
  responsesFailure,
} from "./dialects/responses/encode.ts";
export { ResponsesFold } from "./dialects/responses/events.ts";
export { peekResponses, type ResponsesPeek, withMembers } from "./dialects/responses/peek.ts";
export { ResponsesTap, type TapReading } from "./dialects/responses/tap.ts";
export {
  type ResponsesUsage,
  readResponsesUsage,
  type UsageReading,
  writeResponsesUsage,
} from "./dialects/responses/usage.ts";
export { explainUpstreamError, type UpstreamAnswer, type UpstreamContext } from "./errors/explain.ts";
export { type ErrorFamily, type RenderedError, renderError } from "./errors/render.ts";
export { formatSse, type SseEvent, SseParser } from "./framing/sse.ts";
export { nearest } from "./nearest.ts";
