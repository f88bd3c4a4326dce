/** The two metadata services that give credentials to machines: EC2's IMDSv2, and the container endpoint of ECS and EKS. */

import { type FakeAnswer, type FakeCredentials, type FakeService, jsonAnswer } from "./service.ts";

export interface MetadataState {
  /** Name of the instance's role; without it the instance has none. */
  instanceRole?: string;
  /** What `authorization` the container endpoint wants. */
  containerToken?: string;
  /** How many credentials were handed out. */
  instanceCalls: number;
  containerCalls: number;
  issue: (label: string) => FakeCredentials;
}

const ROLES = "/latest/meta-data/iam/security-credentials/";
const TOKEN = "fake-imds-token";

export function fakeImds(state: MetadataState): FakeService {
  return ({ method, path, headers }) => {
    if (!path.startsWith("/latest/")) return undefined;
    if (method === "PUT" && path === "/latest/api/token") {
      return headers["x-aws-ec2-metadata-token-ttl-seconds"] === undefined ? text(400, "") : text(200, TOKEN);
    }
    if (headers["x-aws-ec2-metadata-token"] !== TOKEN) return text(401, "");
    if (state.instanceRole === undefined) return text(404, "");
    if (path === ROLES) return text(200, state.instanceRole);
    if (path !== ROLES + state.instanceRole) return text(404, "");
    state.instanceCalls++;
    return jsonAnswer(200, { Code: "Success", Type: "AWS-HMAC", ...wire(state.issue("instance")) });
  };
}

export function fakeContainer(state: MetadataState): FakeService {
  return ({ method, path, headers }) => {
    if (method !== "GET" || path !== "/container/credentials") return undefined;
    if (headers["authorization"] !== state.containerToken) return text(401, "");
    state.containerCalls++;
    return jsonAnswer(200, wire(state.issue("container")));
  };
}

function wire(keys: FakeCredentials): Record<string, string> {
  return {
    AccessKeyId: keys.accessKeyId,
    SecretAccessKey: keys.secretAccessKey,
    Token: keys.sessionToken,
    Expiration: new Date(keys.expiresAt).toISOString(),
    LastUpdated: new Date(keys.expiresAt - 3_600_000).toISOString(),
  };
}

function text(status: number, body: string): FakeAnswer {
  return { status, contentType: "text/plain", body };
}
