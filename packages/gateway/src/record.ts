/**
 * The audit record of one call, CloudTrail-shaped (aws-wire §7.1): who, what, may they, how much, how it ended;
 * never what was said.
 */

import type { Principal } from "@moho/access";
import type { ErrorCode } from "@moho/protocol";
import type { Call } from "./call.ts";

export interface RecordSettings {
  region: string;
  account: string;
}

/** What a client chooses freely is kept short. */
const MAX_USER_AGENT = 1_024;
const MAX_TIER = 64;

/** The record as JSON text. `endedAt` in epoch milliseconds. */
export function recordOf(call: Call, settings: RecordSettings, eventId: string, endedAt: number): string {
  const { route, principal, error } = call;
  const creates = route.operation === "CreateInference";
  return JSON.stringify({
    eventVersion: "1.11",
    userIdentity: identityOf(principal, settings.account),
    eventTime: `${new Date(call.receivedAt).toISOString().slice(0, 19)}Z`,
    eventSource: "bedrock-mantle.amazonaws.com",
    eventName: route.operation,
    awsRegion: settings.region,
    sourceIPAddress: call.sourceIp,
    userAgent: call.userAgent.slice(0, MAX_USER_AGENT),
    ...(error && { errorCode: errorCodeOf(error.code), errorMessage: error.message }),
    requestParameters: call.request
      ? {
          model: call.request.model,
          stream: call.request.stream,
          service_tier: call.request.serviceTier?.slice(0, MAX_TIER),
        }
      : null,
    responseElements: null,
    additionalEventData: additionalOf(call, endedAt),
    requestID: call.id,
    eventID: eventId,
    readOnly: !creates,
    resources: call.decision && [
      { accountId: settings.account, type: "AWS::BedrockMantle::Project", ARN: call.decision.resource },
    ],
    eventType: "AwsApiCall",
    managementEvent: !creates,
    recipientAccountId: settings.account,
    eventCategory: creates ? "Data" : "Management",
  });
}

function identityOf(principal: Principal | undefined, account: string) {
  if (principal === undefined) return { type: "Unknown", accountId: account };
  return {
    type: principal.type,
    principalId: principal.id,
    arn: principal.arn,
    accountId: principal.account,
    accessKeyId: principal.accessKeyId,
    ...(principal.type === "IAMUser" && { userName: principal.name }),
  };
}

function additionalOf(call: Call, endedAt: number) {
  const { principal, decision, reservation, settlement, target } = call;
  return {
    ...(principal && bearerOf(principal)),
    project: call.project,
    decision: decision && {
      effect: decision.effect,
      reason: decision.reason,
      action: decision.action,
      statement: decision.statement,
      minimalPolicy: decision.minimalPolicy,
    },
    reservation: reservation && {
      amountNanoUsd: reservation.amount,
      clampedMaxOutputTokens: reservation.clampedTo,
      scopes: reservation.scopes,
    },
    usage: settlement?.usage,
    costNanoUsd: settlement?.amount,
    quality: settlement?.quality,
    upstream: target?.upstream,
    upstreamModel: target?.model,
    upstreamStatus: call.answer?.status,
    upstreamRequestId: call.answer?.requestId,
    clientDisconnected: call.clientLeft || undefined,
    latencyMs: endedAt - call.receivedAt,
    firstEventMs: call.firstByteAt === undefined ? undefined : call.firstByteAt - call.receivedAt,
  };
}

/** CloudTrail's name where it has one. */
function errorCodeOf(code: ErrorCode): string {
  return code === "access_denied" ? "AccessDenied" : code;
}

function bearerOf({ credential }: Principal) {
  if (credential === "sigv4") return undefined;
  return {
    callWithBearerToken: true,
    bearerTokenType: credential === "short-term-key" ? "SHORT_TERM" : "LONG_TERM",
  };
}
