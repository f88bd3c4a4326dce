/** The OpenAI routes of Bedrock Runtime: SigV4 service `bedrock`, Runtime and profile ids (aws-wire §4.7). */

import { baseUrlFor } from "../../catalogue/resolve.ts";
import type { Credentials } from "../../credentials/types.ts";
import type { HttpRequest, Transport, Upstream, UpstreamCall } from "../../ports.ts";
import { AuthorizedSender } from "../authorized.ts";
import { requestFor } from "../request.ts";

export interface BedrockRuntimeOptions {
  name: string;
  /** May be left out only with `baseUrl` and bearer tokens. */
  region?: string;
  /** A gateway or private endpoint in place of AWS's host; with a path it replaces the path too. */
  baseUrl?: string;
  credentials: Credentials;
  transport: Transport;
  clocks?: HttpRequest["clocks"];
  now(): number;
}

/** The request as it is sent but for its authorisation. */
export function prepare(call: UpstreamCall, options: BedrockRuntimeOptions): HttpRequest {
  const { region, baseUrl, clocks } = options;
  const base = baseUrlFor({
    model: call.model,
    provider: "amazon-bedrock-runtime",
    ...(region !== undefined && { region }),
    ...(baseUrl !== undefined && { baseUrl }),
  });
  return requestFor(call, base, clocks);
}

export function createBedrockRuntime(options: BedrockRuntimeOptions): Upstream {
  const { credentials, transport, now, region } = options;
  const sender = new AuthorizedSender({ credentials, transport, now, service: "bedrock", region });
  return {
    kind: "bedrock-runtime",
    name: options.name,
    send: (call) => sender.send(prepare(call, options), call.bodySha256),
    // These routes have no list of models.
    models: async () => undefined,
    close: async () => {},
  };
}
