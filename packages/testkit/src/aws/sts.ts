/** STS, query API: GetCallerIdentity, AssumeRole and AssumeRoleWithWebIdentity. Signatures are not checked. */

import {
  accessKeyOf,
  type FakeAnswer,
  type FakeCredentials,
  type FakeRequest,
  type FakeService,
} from "./service.ts";

export interface StsState {
  /** Who each access key is. The keys that assuming a role hands out are added. */
  identities: Map<string, { arn: string; account: string; userId: string }>;
  /** The web identity token that is taken. */
  webIdentityToken?: string;
  /** Names of the actions served, in order. */
  calls: string[];
  issue: (label: string) => FakeCredentials;
}

const XMLNS = "https://sts.amazonaws.com/doc/2011-06-15/";

export function fakeSts(state: StsState): FakeService {
  return (request) => {
    const form = new URLSearchParams(request.method === "POST" ? request.body : request.query);
    const action = form.get("Action");
    if (request.path !== "/" || action === null) return undefined;
    state.calls.push(action);
    if (action === "GetCallerIdentity") return callerIdentity(state, request);
    if (action === "AssumeRole" || action === "AssumeRoleWithWebIdentity")
      return assumeRole(state, action, form, request);
    return failure(400, "InvalidAction", `Could not find operation ${action}`);
  };
}

function callerIdentity(state: StsState, request: FakeRequest): FakeAnswer {
  const identity = state.identities.get(accessKeyOf(request) ?? "");
  if (identity === undefined) return unknownKey();
  return success(
    "GetCallerIdentity",
    `<Arn>${identity.arn}</Arn><UserId>${identity.userId}</UserId><Account>${identity.account}</Account>`,
  );
}

function assumeRole(
  state: StsState,
  action: string,
  form: URLSearchParams,
  request: FakeRequest,
): FakeAnswer {
  const web = action === "AssumeRoleWithWebIdentity";
  if (web && form.get("WebIdentityToken") !== state.webIdentityToken) {
    return failure(400, "InvalidIdentityToken", "The web identity token that was passed is not valid");
  }
  if (!web && !state.identities.has(accessKeyOf(request) ?? "")) return unknownKey();
  const role = form.get("RoleArn") ?? "";
  const session = form.get("RoleSessionName") ?? "session";
  const account = role.split(":")[4] ?? "";
  const arn = `arn:aws:sts::${account}:assumed-role/${role.split("/").at(-1)}/${session}`;
  const keys = state.issue(session);
  const userId = `AROAFAKE:${session}`;
  state.identities.set(keys.accessKeyId, { arn, account, userId });
  return success(
    action,
    `<AssumedRoleUser><Arn>${arn}</Arn><AssumedRoleId>${userId}</AssumedRoleId></AssumedRoleUser>` +
      `<Credentials><AccessKeyId>${keys.accessKeyId}</AccessKeyId><SecretAccessKey>${keys.secretAccessKey}</SecretAccessKey>` +
      `<SessionToken>${keys.sessionToken}</SessionToken><Expiration>${new Date(keys.expiresAt).toISOString()}</Expiration></Credentials>`,
  );
}

function success(action: string, result: string): FakeAnswer {
  const body =
    `<${action}Response xmlns="${XMLNS}"><${action}Result>${result}</${action}Result>` +
    `<ResponseMetadata><RequestId>fake-request</RequestId></ResponseMetadata></${action}Response>`;
  return { status: 200, contentType: "text/xml", body };
}

function unknownKey(): FakeAnswer {
  return failure(403, "InvalidClientTokenId", "The security token included in the request is invalid.");
}

function failure(status: number, code: string, message: string): FakeAnswer {
  const body =
    `<ErrorResponse xmlns="${XMLNS}"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>` +
    `<RequestId>fake-request</RequestId></ErrorResponse>`;
  return { status, contentType: "text/xml", body };
}
