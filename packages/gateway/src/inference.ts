/** A governed inference, from the request's first byte to its record: the one path to a model. */

import type { HttpResponse, UpstreamCall } from "@moho/model";
import { MohoError, toMohoError } from "@moho/protocol";
import { peekResponses, ResponsesTap, withMembers } from "@moho/wire";
import { askOf, budgetExceeded, FREE, LEAST_OUTPUT_TOKENS, outputWithin, worstCase } from "./admission.ts";
import { type Call, openCall } from "./call.ts";
import { deliver, isEventStream } from "./deliver.ts";
import { passedHeaders, readRefusal, send, upstreamRequestId } from "./forward.ts";
import type { Exchange } from "./http/exchange.ts";
import type { Parts } from "./parts.ts";
import type { Route } from "./routes.ts";
import { unknownModel } from "./routing.ts";
import { dropBody, finish, permit, receive, refuse, reportedFailure } from "./steps.ts";

/** Longer than any id or ARN of a model. */
const MAX_MODEL_LENGTH = 2_048;

/** Answers the exchange and never rejects. Whatever happens to the call, it is settled and recorded. */
export async function inference(parts: Parts, exchange: Exchange, route: Route): Promise<void> {
  const call = openCall(exchange, route, parts.deps.clock());
  try {
    await receive(parts, exchange, call);
    readRequest(call);
    await permit(parts, exchange, call);
    await chooseUpstream(parts, call);
    await reserve(parts, call);
    const response = await forward(parts, exchange, call);
    if (response.status < 300) await passAnswer(parts, exchange, call, response);
    else await passRefusal(exchange, call, response);
  } catch (error) {
    call.error = toMohoError(error);
    refuse(parts, exchange, call);
  } finally {
    await finish(parts, exchange, call);
  }
}

/** Peeks into the body: what decides authorisation and money, and nothing else. */
function readRequest(call: Call): void {
  const peek = peekResponses(call.body!.bytes);
  const { model } = peek;
  if (model === undefined || model === "") {
    throw new MohoError("invalid_request", "`model` is missing.", { details: { param: "model" } });
  }
  if (model.length > MAX_MODEL_LENGTH) {
    throw new MohoError("invalid_request", `\`model\` is longer than ${MAX_MODEL_LENGTH} characters.`, {
      details: { param: "model" },
    });
  }
  if (peek.background) {
    throw new MohoError(
      "invalid_request",
      "`background` is not served here yet: leave it out and wait for the answer.",
      {
        details: { param: "background" },
      },
    );
  }
  if (peek.maxOutputTokens !== undefined && peek.maxOutputTokens < LEAST_OUTPUT_TOKENS) {
    const reason = `\`max_output_tokens\` must be at least ${LEAST_OUTPUT_TOKENS}.`;
    throw new MohoError("invalid_request", reason, { details: { param: "max_output_tokens" } });
  }
  call.request = { ...peek, model };
}

async function chooseUpstream(parts: Parts, call: Call): Promise<void> {
  const { model } = call.request!;
  call.target = parts.routing.find(model);
  if (call.target === undefined) throw unknownModel(model, await parts.served.ids());
}

/** Reserves the worst case in every enclosing budget, in one ledger call. Throws `budget_exceeded`, `model_not_priced`. */
async function reserve(parts: Parts, call: Call): Promise<void> {
  const { models, ledger, clock } = parts.deps;
  const { model } = call.request!;
  const free = parts.isFree(model);
  const facts = free ? undefined : (models(call.target!.model) ?? models(model));
  const worst = free ? FREE : worstCase(model, askOf(call.request!, call.body!.bytes), facts);
  const scopes = scopesOf(call);
  const at = clock();
  const result = await ledger.reserve({
    id: call.id,
    scopes,
    amount: worst.amount,
    least: worst.least,
    at,
    leaseUntil: at + parts.limits.leaseMs,
  });
  if (!result.ok) throw budgetExceeded(result.budget, result.remaining, worst);
  const clampedTo = result.clamped ? outputWithin(result.amount, worst) : undefined;
  call.reservation = { amount: result.amount, clampedTo, scopes, worst, price: facts?.price };
}

function scopesOf({ project, principal }: Call): string[] {
  const scopes = ["organization", `project/${project}`, `principal/${principal!.arn}`];
  if (principal!.accessKeyId !== undefined) scopes.push(`key/${principal!.accessKeyId}`);
  return scopes;
}

/** Sends the body as it came, but for the upstream's model id and an output that is more than was reserved. */
async function forward(parts: Parts, exchange: Exchange, call: Call): Promise<HttpResponse> {
  const { signal } = exchange;
  const { request, target, route } = call;
  const { upstreams, clock } = parts.deps;
  if (signal.aborted) throw new MohoError("interrupted", "The client left before its call was sent.");
  call.sentAt = clock();
  const response = await send(upstreams.get(target!.upstream)!, {
    dialect: "responses",
    model: target!.model,
    path: route.upstreamPath!,
    method: "POST",
    headers: { ...exchange.head.forward, "accept-encoding": "identity" },
    ...bodyFor(call),
    stream: request!.stream,
    signal,
  });
  dropBody(parts, call);
  call.answer = { status: response.status, requestId: upstreamRequestId(response.headers) };
  return response;
}

/** The hash goes along while it is the hash of what is sent: signing then need not read the body again. */
function bodyFor({ body, request, target, reservation }: Call): Pick<UpstreamCall, "body" | "bodySha256"> {
  const edits: Record<string, string | number> = {};
  if (target!.model !== request!.model) edits["model"] = target!.model;
  const { clampedTo, worst } = reservation!;
  if (clampedTo !== undefined) edits["max_output_tokens"] = clampedTo;
  else if (worst !== FREE && (request!.maxOutputTokens ?? 0) > worst.outputTokens) {
    edits["max_output_tokens"] = worst.outputTokens;
  }
  const { bytes, sha256 } = body!;
  if (Object.keys(edits).length === 0) return { body: bytes, bodySha256: sha256 };
  return { body: withMembers(bytes, request!.members, edits) };
}

async function passAnswer(
  parts: Parts,
  exchange: Exchange,
  call: Call,
  response: HttpResponse,
): Promise<void> {
  if ((response.headers["content-encoding"] ?? "identity") !== "identity") {
    throw new MohoError("upstream_error", "The upstream compressed its answer, so its usage cannot be read.");
  }
  const headers = passedHeaders(response.headers);
  const clampedTo = call.reservation!.clampedTo;
  if (clampedTo !== undefined) headers["x-moho-clamped-max-output-tokens"] = String(clampedTo);
  const contentType = response.headers["content-type"] ?? "";
  call.tap = new ResponsesTap(contentType);
  call.streams = isEventStream(contentType);
  // An error event may have to follow what the upstream announced.
  if (call.streams) delete headers["content-length"];
  exchange.begin(response.status, headers);
  await deliver(exchange, response.body, call, () => {
    call.firstByteAt = parts.deps.clock();
  });
  call.error = reportedFailure(call);
}

/** An upstream's own error in the caller's dialect passes as it is; the record keeps its kind, not its words. */
async function passRefusal(exchange: Exchange, call: Call, response: HttpResponse): Promise<void> {
  const { error, body } = await readRefusal(response, call.target!.model);
  call.error = error;
  exchange.answer(response.status, passedHeaders(response.headers), body);
}
