/** The shape that every fake AWS service has: a request in, an answer out, no sockets. */

export interface FakeRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  /** Lower-case names. */
  headers: Record<string, string>;
  body: string;
}

export interface FakeAnswer {
  status: number;
  contentType: string;
  body: string;
}

/** `undefined` when the request is not for this service. */
export type FakeService = (request: FakeRequest) => FakeAnswer | undefined;

export interface FakeCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

export function jsonAnswer(status: number, body: unknown): FakeAnswer {
  return { status, contentType: "application/json", body: JSON.stringify(body) };
}

/** The access key id out of an `Authorization: AWS4-HMAC-SHA256` header. */
export function accessKeyOf(request: FakeRequest): string | undefined {
  return /Credential=([^/,]+)\//.exec(request.headers["authorization"] ?? "")?.[1];
}
