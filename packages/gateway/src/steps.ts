/** The steps that every governed call has: receive, prove who calls, permit, refuse, settle and record. */

import { MohoError } from "@moho/protocol";
import { formatResponsesEvent, renderError, responsesFailure } from "@moho/wire";
import { contextOf, denied, SIGNING_SERVICES } from "./authorise.ts";
import type { Call } from "./call.ts";
import type { Exchange } from "./http/exchange.ts";
import type { Parts } from "./parts.ts";
import { recordOf } from "./record.ts";
import type { Family } from "./routes.ts";
import { settlementOf } from "./settlement.ts";

/**
 * Reads the head, proves who calls as far as a head can, reads the body, proves the rest: strangers get no room for
 * bodies. Throws `unavailable` first of all while calls cannot be recorded, and `throttled` for a principal that has as
 * many calls running as it may.
 */
export async function receive(parts: Parts, exchange: Exchange, call: Call): Promise<void> {
  parts.recorder.check();
  call.userAgent = exchange.head.userAgent;
  const { method, target: rawTarget, rawHeaders } = exchange;
  const prove = await parts.deps.access.screen({ method, rawTarget, rawHeaders }, SIGNING_SERVICES);
  const { bodyBytes: bytes, bodyIdleMs: idleMs, bodyMs: totalMs } = parts.limits;
  call.body = await exchange.readBody({ bytes, idleMs, totalMs }, parts.room);
  call.principal = await prove(call.body.sha256);
  parts.inFlight.enter(call.principal.arn);
  call.running = true;
}

/** Lets go of the body, which nobody needs once the upstream has it: an answer may stream for minutes. */
export function dropBody(parts: Parts, call: Call): void {
  if (call.body === undefined) return;
  parts.room.give(call.body.bytes.length);
  call.body = undefined;
}

/** Asks for the route's action on the project; deny is the default. Throws `not_found` for an unknown project. */
export async function permit(parts: Parts, exchange: Exchange, call: Call): Promise<void> {
  const { settings } = parts;
  const project = exchange.head.project ?? "default";
  if (!parts.projects.has(project)) {
    throw new MohoError("not_found", "The project that `OpenAI-Project` names does not exist.");
  }
  call.project = project;
  const { partition = "aws", region, account } = settings;
  call.decision = await parts.deps.access.authorize({
    principal: call.principal!,
    action: call.route.action!,
    resource: `arn:${partition}:bedrock-mantle:${region}:${account}:project/${project}`,
    context: contextOf({
      region,
      sourceIp: call.sourceIp,
      secure: call.secure,
      userAgent: call.userAgent,
      model: call.request?.model,
      serviceTier: call.request?.serviceTier,
    }),
  });
  if (call.decision.effect === "deny") throw denied(call.decision);
}

/** The one error handler: a whole answer in the caller's dialect, or the end of one that has begun. */
export function refuse(parts: Parts, exchange: Exchange, call: Call): void {
  if (call.error!.code === "internal") {
    parts.deps.logger.error("a call failed for no known reason", { requestId: call.id, cause: call.error });
  }
  exchange.abandon();
  if (exchange.clientLeft) return;
  const error = exchange.gaveUp ? new MohoError("unavailable", "The gateway is stopping.") : call.error!;
  if (!exchange.begun) answerError(exchange, error, call.route.family);
  else exchange.breakOff(call.streams ? lastEvent(call, error, exchange) : "");
}

export function answerError(exchange: Exchange, error: MohoError, family: Family): void {
  const rendered = renderError(error, family);
  const { allow } = error.details ?? {};
  const headers = typeof allow === "string" ? { ...rendered.headers, allow } : rendered.headers;
  exchange.answer(rendered.status, headers, rendered.body);
}

/** `response.failed`, numbered after the event that was sent last. */
function lastEvent(call: Call, error: MohoError, exchange: Exchange): string {
  const { responseId, model } = call.tap!.reading;
  const numbers = Buffer.from(exchange.lastWritten ?? [])
    .toString("latin1")
    .match(/"sequence_number":\s*\d+/g);
  const last = numbers === null ? -1 : Number(/\d+/.exec(numbers.at(-1)!)![0]);
  const event = responsesFailure(error, {
    id: responseId ?? call.id.replace("req_", "resp_"),
    model: model ?? call.request!.model,
    createdAt: Math.floor(call.receivedAt / 1000),
    sequence: last + 1,
  });
  return formatResponsesEvent(event);
}

/** Settles what was reserved and records the call, in one commit. Never rejects. */
export async function finish(parts: Parts, exchange: Exchange, call: Call): Promise<void> {
  const { deps, settings, recorder } = parts;
  dropBody(parts, call);
  if (call.running) parts.inFlight.leave(call.principal!.arn);
  if (call.error?.code === "unavailable" && call.principal === undefined) return;
  const endedAt = deps.clock();
  call.clientLeft = exchange.clientLeft || (call.error?.code === "interrupted" && !exchange.gaveUp);
  const { reservation } = call;
  if (reservation !== undefined) call.settlement = settlementOf(call, reservation, endedAt);
  const record = recordOf(call, settings, parts.eventId(), endedAt);
  await recorder.write(record, call.settlement && { id: call.id, settlement: call.settlement });
}

/** A failure that the upstream reported inside an answer that passed whole: for the record. */
export function reportedFailure(call: Call): MohoError | undefined {
  const failure = call.tap?.reading.failure;
  return (
    failure &&
    new MohoError("upstream_error", `The upstream reported a failure (${failure.code ?? "no code"}).`)
  );
}
