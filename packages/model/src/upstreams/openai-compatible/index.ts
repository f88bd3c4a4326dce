/** Any server with OpenAI's routes: a base URL and, where it wants one, a bearer token. */

import { baseUrlFor } from "../../catalogue/resolve.ts";
import type { Credentials } from "../../credentials/types.ts";
import type { HttpRequest, Transport, Upstream, UpstreamCall } from "../../ports.ts";
import { AuthorizedSender } from "../authorized.ts";
import { listModels } from "../models.ts";
import { requestFor } from "../request.ts";

export interface OpenAiCompatibleOptions {
  name: string;
  /** With its path, for example `http://127.0.0.1:8080/v1`. */
  baseUrl: string;
  credentials: Credentials;
  transport: Transport;
  clocks?: HttpRequest["clocks"];
  now(): number;
}

/** The request as it is sent but for its authorisation. */
export function prepare(call: UpstreamCall, options: OpenAiCompatibleOptions): HttpRequest {
  const { baseUrl, clocks } = options;
  const base = baseUrlFor({ model: call.model, provider: "openai-compatible", baseUrl });
  return requestFor(call, base, clocks);
}

export function createOpenAiCompatible(options: OpenAiCompatibleOptions): Upstream {
  const { credentials, transport, now } = options;
  const sender = new AuthorizedSender({ credentials, transport, now, service: undefined, region: undefined });
  return {
    kind: "openai-compatible",
    name: options.name,
    send: (call) => sender.send(prepare(call, options), call.bodySha256),
    models: (signal) => listModels((call) => sender.send(prepare(call, options)), "", signal),
    close: async () => {},
  };
}
