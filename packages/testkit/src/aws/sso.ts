/** IAM Identity Center: the OIDC token exchange with rotating refresh tokens, and GetRoleCredentials. */

import {
  type FakeAnswer,
  type FakeCredentials,
  type FakeRequest,
  type FakeService,
  jsonAnswer,
} from "./service.ts";

export interface SsoState {
  /** The refresh token that is good now. Each exchange replaces it. */
  refreshToken: string;
  /** Access tokens that are good. */
  accessTokens: Set<string>;
  /** Seconds that a new access token lives. */
  tokenSeconds: number;
  /** How many exchanges succeeded. */
  exchanges: number;
  /** Refresh tokens that were presented after they had been used: a client that does this loses its sign-in. */
  reused: string[];
  /** How many role credentials were handed out. */
  roleCredentials: number;
  issue: (label: string) => FakeCredentials;
}

export function fakeSso(state: SsoState): FakeService {
  const used = new Set<string>();
  return (request) => {
    if (request.method === "POST" && request.path === "/token") return exchange(state, used, request);
    if (request.method === "GET" && request.path === "/federation/credentials")
      return credentials(state, request);
    return undefined;
  };
}

function exchange(state: SsoState, used: Set<string>, request: FakeRequest): FakeAnswer {
  const form = JSON.parse(request.body) as { grantType?: string; refreshToken?: string };
  if (form.grantType !== "refresh_token")
    return refusal(400, "UnsupportedGrantTypeException", "unsupported_grant_type");
  const presented = form.refreshToken ?? "";
  if (presented !== state.refreshToken) {
    if (used.has(presented)) state.reused.push(presented);
    return refusal(400, "InvalidGrantException", "invalid_grant");
  }
  used.add(presented);
  state.exchanges++;
  const accessToken = `sso-access-${state.exchanges}`;
  state.refreshToken = `sso-refresh-${state.exchanges}`;
  state.accessTokens.add(accessToken);
  return jsonAnswer(200, {
    accessToken,
    refreshToken: state.refreshToken,
    expiresIn: state.tokenSeconds,
    tokenType: "Bearer",
  });
}

function credentials(state: SsoState, request: FakeRequest): FakeAnswer {
  if (!state.accessTokens.has(request.headers["x-amz-sso_bearer_token"] ?? "")) {
    return refusal(401, "UnauthorizedException", "Session token not found or invalid");
  }
  state.roleCredentials++;
  const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = state.issue(
    `${request.query.get("account_id")}/${request.query.get("role_name")}`,
  );
  return jsonAnswer(200, {
    roleCredentials: { accessKeyId, secretAccessKey, sessionToken, expiration: expiresAt },
  });
}

function refusal(status: number, name: string, error: string): FakeAnswer {
  return jsonAnswer(status, { __type: name, error, error_description: error, message: error });
}
