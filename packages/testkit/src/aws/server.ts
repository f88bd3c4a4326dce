/** AWS's credential services on one port of 127.0.0.1, for the real SDKs to talk to. */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { fakeContainer, fakeImds, type MetadataState } from "./metadata.ts";
import type { FakeCredentials, FakeRequest } from "./service.ts";
import { fakeSso, type SsoState } from "./sso.ts";
import { fakeSts, type StsState } from "./sts.ts";

export interface FakeAws {
  readonly url: string;
  /** Environment variables that point the SDKs here. The container endpoint is named by itself: it switches a source on. */
  readonly env: Record<string, string>;
  readonly containerEnv: Record<string, string>;
  readonly sts: StsState;
  readonly sso: SsoState;
  readonly metadata: MetadataState;
  /** `<method> <path>` of every request, in order. */
  readonly requests: string[];
  /** Milliseconds that each answer waits, to make races happen. */
  delayMs: number;
  close(): Promise<void>;
}

/** Starts the services. `lifeMs` is how long the credentials that they hand out live. */
export async function startFakeAws(options: { lifeMs?: number } = {}): Promise<FakeAws> {
  let issued = 0;
  const issue = (label: string): FakeCredentials => {
    issued++;
    return {
      accessKeyId: `ASIAFAKE${String(issued).padStart(12, "0")}`,
      secretAccessKey: `fake-secret-${issued}-${label}`,
      sessionToken: `fake-session-${issued}-${label}`,
      expiresAt: Date.now() + (options.lifeMs ?? 3_600_000),
    };
  };
  const sts: StsState = { identities: new Map(), calls: [], issue };
  const sso: SsoState = {
    refreshToken: "sso-refresh-0",
    accessTokens: new Set(["sso-access-0"]),
    tokenSeconds: 3600,
    exchanges: 0,
    reused: [],
    roleCredentials: 0,
    issue,
  };
  const metadata: MetadataState = { instanceCalls: 0, containerCalls: 0, issue };
  const services = [fakeSts(sts), fakeSso(sso), fakeImds(metadata), fakeContainer(metadata)];
  const requests: string[] = [];

  const server = createServer((incoming, response) => {
    readRequest(incoming)
      .then(async (request) => {
        requests.push(`${request.method} ${request.path}`);
        if (fake.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, fake.delayMs));
        let answer = { status: 404, contentType: "text/plain", body: "no such service" };
        for (const service of services) answer = service(request) ?? answer;
        response.writeHead(answer.status, { "content-type": answer.contentType });
        response.end(answer.body);
      })
      .catch((error) => response.destroy(error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake: FakeAws = {
    url,
    env: {
      AWS_ENDPOINT_URL_STS: url,
      AWS_ENDPOINT_URL_SSO: url,
      AWS_ENDPOINT_URL_SSO_OIDC: url,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: url,
    },
    containerEnv: { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/container/credentials` },
    sts,
    sso,
    metadata,
    requests,
    delayMs: 0,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return fake;
}

async function readRequest(incoming: IncomingMessage): Promise<FakeRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const url = new URL(incoming.url ?? "/", "http://127.0.0.1");
  return {
    method: incoming.method ?? "",
    path: url.pathname,
    query: url.searchParams,
    headers: Object.fromEntries(
      Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
    ),
    body: Buffer.concat(chunks).toString("utf8"),
  };
}
