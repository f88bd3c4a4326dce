/** The model dialects: framing, translation to and from the hub, errors. Pure. */

export type { AnswerHead } from "./dialects/answer.ts";
export { ChatEncoder } from "./dialects/chat/encode.ts";
export { ChatFold } from "./dialects/chat/fold.ts";
export { type ChatPeek, peekChat } from "./dialects/chat/peek.ts";
export { chatToHub, wantsUsageChunk } from "./dialects/chat/request-in.ts";
export { type ChatCapabilities, hubToChat, type UpstreamBody } from "./dialects/chat/request-out.ts";
export { ChatTap } from "./dialects/chat/tap.ts";
export type { ConverseCapabilities } from "./dialects/converse/capabilities.ts";
export { readCountTokens, writeCountTokens } from "./dialects/converse/count-tokens.ts";
export { ConverseEncoder } from "./dialects/converse/encode.ts";
export { ConverseFold } from "./dialects/converse/fold.ts";
export { type ConversePeek, peekConverse } from "./dialects/converse/peek.ts";
export { converseToHub } from "./dialects/converse/request-in.ts";
export { converseBody, hubToConverse } from "./dialects/converse/request-out.ts";
export { ConverseTap } from "./dialects/converse/tap.ts";
export { InvokeEncoder } from "./dialects/invoke/encode.ts";
export { InvokeFold } from "./dialects/invoke/fold.ts";
export { type InvokeTarget, type NativeFamily, nativeFamily } from "./dialects/invoke/native.ts";
export { type InvokePeek, peekInvoke } from "./dialects/invoke/peek.ts";
export { invokeToHub } from "./dialects/invoke/request-in.ts";
export { hubToInvoke, type InvokeCapabilities } from "./dialects/invoke/request-out.ts";
export { InvokeTap } from "./dialects/invoke/tap.ts";
export { MessagesEncoder } from "./dialects/messages/encode.ts";
export { MessagesFold } from "./dialects/messages/fold.ts";
export { type MessagesPeek, peekMessages } from "./dialects/messages/peek.ts";
export { messagesToHub } from "./dialects/messages/request-in.ts";
export { hubToMessages, type MessagesCapabilities } from "./dialects/messages/request-out.ts";
export { MessagesTap } from "./dialects/messages/tap.ts";
export type { HubRequest, Note } from "./dialects/notes.ts";
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
export { peekResponses, type ResponsesPeek } from "./dialects/responses/peek.ts";
export { hubToResponses, type ResponsesCapabilities } from "./dialects/responses/request-out.ts";
export { ResponsesEncoder } from "./dialects/responses/stream.ts";
export { ResponsesTap, type TapReading } from "./dialects/responses/tap.ts";
export {
  type ResponsesUsage,
  readResponsesUsage,
  type UsageReading,
  writeResponsesUsage,
} from "./dialects/responses/usage.ts";
export { type HostedTools, ToolNames } from "./dialects/tools.ts";
export { explainUpstreamError, type UpstreamAnswer, type UpstreamContext } from "./errors/explain.ts";
export { type ErrorFamily, type RenderedError, renderError } from "./errors/render.ts";
export { type EventMessage, EventStreamDecoder, EventStreamEncoder } from "./framing/event-stream.ts";
export { withMembers } from "./framing/json-members.ts";
export { formatSse, type SseEvent, SseParser } from "./framing/sse.ts";
export { nearest } from "./nearest.ts";
