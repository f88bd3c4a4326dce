/** Bedrock Mantle: SigV4 service `bedrock-mantle`, the path by model (aws-wire §1). */

import { baseUrlFor } from "../../catalogue/resolve.ts";
import type { Credentials } from "../../credentials/types.ts";
import type { HttpRequest, Transport, Upstream, UpstreamCall } from "../../ports.ts";
import { AuthorizedSender } from "../authorized.ts";
import { listModels } from "../models.ts";
import { requestFor } from "../request.ts";

export interface BedrockMantleOptions {
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
export function prepare(call: UpstreamCall, options: BedrockMantleOptions): HttpRequest {
  const { region, baseUrl, clocks } = options;
  const base = baseUrlFor({
    model: call.model,
    provider: "amazon-bedrock",
    ...(region !== undefined && { region }),
    ...(baseUrl !== undefined && { baseUrl }),
  });
  return requestFor(call, base, clocks, { "x-amzn-mantle-client-agent": "moho" });
}

export function createBedrockMantle(options: BedrockMantleOptions): Upstream {
  const { credentials, transport, now, region } = options;
  const sender = new AuthorizedSender({ credentials, transport, now, service: "bedrock-mantle", region });
  return {
    kind: "bedrock-mantle",
    name: options.name,
    send: (call) => sender.send(prepare(call, options), call.bodySha256),
    models: (signal) =>
      listModels((call) => sender.send(prepare(call, options)), "openai.gpt-oss-120b", signal),
    close: async () => {},
  };
}
