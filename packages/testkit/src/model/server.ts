/** A model server on 127.0.0.1 that speaks Responses over real sockets, plays a script and records what it is asked. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ResponsesAnswer } from "@moho/wire";
import {
  type HttpAnswer,
  openAiError,
  type RecordedRequest,
  type Script,
  type Turn,
  turnOf,
} from "./script.ts";
import { bodySteps, type Step, streamSteps } from "./steps.ts";

export interface ScriptedModel {
  /** `http://127.0.0.1:<port>`, without a path. */
  readonly url: string;
  /** `POST …/responses` in order of arrival. */
  readonly requests: RecordedRequest[];
  close(): Promise<void>;
}

export interface ScriptedModelOptions {
  /** Ids that `GET …/models` lists. */
  models?: readonly string[];
  /** Taken when given; a free one otherwise. */
  port?: number;
}

/** Starts a server that answers the n-th `POST …/responses` with the n-th turn of `script`. Close it when done. */
export async function startScriptedModel(
  script: Script,
  options: ScriptedModelOptions = {},
): Promise<ScriptedModel> {
  const requests: RecordedRequest[] = [];
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = await record(incoming, response);
    const path = request.path.split("?", 1)[0]!;
    if (request.method === "GET" && path.endsWith("/models"))
      sendHttp(response, modelList(options.models ?? []));
    else if (request.method === "POST" && path.endsWith("/responses")) {
      const n = requests.push(request) - 1;
      await answer(turnOf(script, request, n), request, n, response);
    } else sendHttp(response, openAiError(404, "not_found_error", `No route ${request.method} ${path}.`));
  };
  // A client that goes away while it sends, or a script that throws, breaks its own connection only.
  const server = createServer((incoming, response) => {
    serve(incoming, response).catch((error) => response.destroy(error));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, requests, close: () => closeServer(server) };
}

/** The URL of a port on which nobody listens: connections are refused. */
export async function refusingUrl(): Promise<string> {
  const model = await startScriptedModel([]);
  await model.close();
  return model.url;
}

/** Answers whose connection this side broke. */
const brokenHere = new WeakSet<ServerResponse>();

async function record(incoming: IncomingMessage, response: ServerResponse): Promise<RecordedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
  );
  const request: RecordedRequest = {
    method: incoming.method ?? "",
    path: incoming.url ?? "",
    headers,
    rawHeaders: incoming.rawHeaders,
    body,
    json: asJson(body),
    at: Date.now(),
    cutAt: undefined,
  };
  response.on("close", () => {
    if (!response.writableFinished && !brokenHere.has(response)) request.cutAt = Date.now();
  });
  return request;
}

function asJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

async function answer(
  turn: Turn,
  request: RecordedRequest,
  n: number,
  response: ServerResponse,
): Promise<void> {
  if (turn.http !== undefined) return sendHttp(response, turn.http);
  if (turn.faults?.some((fault) => fault.kind === "no-answer")) return;
  const { model, stream } = (request.json ?? {}) as { model?: unknown; stream?: unknown };
  const whole: ResponsesAnswer = {
    id: `resp_scripted${n}`,
    model: String(model ?? "scripted"),
    createdAt: Math.floor(request.at / 1000),
    items: turn.items ?? [],
    usage: turn.usage ?? { input: 100, cacheRead: 0, cacheWrite: 0, output: 20, reasoning: 0 },
    ...(turn.end !== undefined && { end: turn.end }),
  };
  response.writeHead(200, {
    "content-type": stream === true ? "text/event-stream" : "application/json",
    "x-request-id": `req_scripted${n}`,
  });
  response.flushHeaders();
  await play(stream === true ? streamSteps(turn, whole) : bodySteps(turn, whole), response);
}

async function play(steps: readonly Step[], response: ServerResponse): Promise<void> {
  for (const step of steps) {
    if (response.destroyed) return;
    switch (step.do) {
      case "send":
        await new Promise<void>((resolve) => response.write(step.bytes, () => resolve()));
        break;
      case "wait":
        await waitOrClosed(step.ms, response);
        break;
      case "hang":
        return;
      case "drop":
        brokenHere.add(response);
        response.destroy();
        return;
      case "end":
        response.end();
        return;
    }
  }
}

/** So that a closed client or server leaves no timer behind. */
function waitOrClosed(ms: number, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      response.off("close", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    response.on("close", done);
  });
}

function sendHttp(response: ServerResponse, { status, headers = {}, body = "" }: HttpAnswer): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "x-request-id": "req_scripted",
    ...headers,
  });
  response.end(text);
}

function modelList(ids: readonly string[]): HttpAnswer {
  const data = ids.map((id) => ({
    id,
    object: "model",
    created: 0,
    owned_by: "system",
    status: "available",
  }));
  return { status: 200, body: { object: "list", data } };
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
