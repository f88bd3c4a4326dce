/** `moho exec`: one turn of the agent without a screen. */

import { randomBytes } from "node:crypto";
import {
  createThread,
  latestThread,
  openThread,
  runTurn,
  type Thread,
  type TurnInput,
  uuidv7,
} from "@moho/agent";
import { MohoError, THREAD_EVENTS_VERSION, type ThreadEvent, toMohoError } from "@moho/protocol";
import { type Log, openStore } from "@moho/store";
import type { Arguments, Command } from "../../command.ts";
import { type ComposedAgent, checkRepository, composeAgent, openThreads } from "../../compose/agent.ts";
import { composeConfig, type LoadedConfig } from "../../compose/config.ts";
import { type Context, mohoHome } from "../../context.ts";
import { EXIT, exitCodeOf } from "../../exit.ts";
import { imagePart, outputSchema } from "./attachments.ts";
import { FLAGS, readLimits } from "./flags.ts";
import { humanView, type View } from "./human.ts";
import { jsonView } from "./json.ts";
import { openLastMessage } from "./last-message.ts";
import { readPrompt } from "./prompt.ts";

export const command: Command = {
  usage: ["[FLAGS] [PROMPT | -]", "[FLAGS] resume [THREAD | --last] [PROMPT | -]"],
  about:
    "Run the coding agent on one task, without a screen. The last message goes to stdout, progress to stderr.",
  flags: FLAGS,
  async run(context, args) {
    const json = args.on("json");
    const view = json ? jsonView(context.stdout) : humanView(context.stdout, context.stderr, context.env);
    try {
      return await execute(context, args, view);
    } catch (thrown) {
      if (!json) throw thrown;
      return failBefore(view, toMohoError(thrown));
    }
  },
  refuse: (context, words, error) =>
    words.includes("--json") ? failBefore(jsonView(context.stdout), error) : undefined,
};

/** Nothing ran, but a reader of events still gets a last one. */
function failBefore(view: View, error: MohoError): number {
  view.event(failedBefore(error));
  return exitCodeOf(error.category, error.code);
}

/** Who, where and with what; then the turn's events, one after the other; then what is left behind. */
async function execute(given: Context, args: Arguments, view: View): Promise<number> {
  const order = readOrder(args);
  const loaded = await composeConfig(given, args);
  const { context, config, cwd } = loaded;
  const limits = readLimits(args, config.settings.moho);
  checkRepository(cwd, args);
  const input = await readInput(context, args, order, cwd);
  for (const warning of config.warnings) view.event({ type: "error", message: warning });
  const log = args.on("ephemeral") ? (await openStore("memory:")).log : openThreads(context);
  const output = openLastMessage(context, args);
  const prepared = await prepareThread(log, loaded, args, order);
  const { agent, thread } = prepared;
  try {
    view.header(header(prepared, cwd));
    await tellFallback(agent, view);
    view.event({ type: "thread.started", thread_id: thread.id, schema_version: THREAD_EVENTS_VERSION });
    const schema = args.value("output-schema");
    const options = {
      signal: context.signal,
      cwd,
      home: mohoHome(context),
      approval: "never" as const,
      limits,
      onUsage: view.usage,
      settings: { ...agent.settings, ...(schema && { outputSchema: outputSchema(cwd, schema) }) },
    };
    let lastMessage = "";
    let last: ThreadEvent | undefined;
    for await (const event of runTurn(agent.deps, thread, input, options)) {
      if (event.type === "item.completed" && event.item.type === "agent_message")
        lastMessage = event.item.text;
      if (event.type === "turn.completed") output.save(lastMessage);
      last = event;
      view.event(event);
    }
    return last?.type === "turn.failed" ? exitCodeOf(last.error.category, last.error.code) : EXIT.ok;
  } finally {
    output.close();
    await agent.close();
    await log.close();
  }
}

/** What the positional arguments say: a new thread or an old one, and the prompt. */
interface Order {
  resume: { id: string | undefined } | undefined;
  prompt: string | undefined;
}

function readOrder(args: Arguments): Order {
  const [first, ...rest] = args.positionals;
  if (first !== "resume") {
    if (rest.length > 0)
      throw new MohoError("invalid_request", "moho exec takes one prompt; put it in quotes.");
    return { resume: undefined, prompt: first };
  }
  if (args.on("last")) return { resume: { id: undefined }, prompt: rest[0] };
  const [id, prompt] = rest;
  if (id === undefined)
    throw new MohoError("invalid_request", "moho exec resume takes a thread's id, or --last.");
  return { resume: { id }, prompt };
}

async function readInput(context: Context, args: Arguments, order: Order, cwd: string): Promise<TurnInput> {
  const text = await readPrompt(context, order.prompt);
  const images = args.values("image").map((path) => imagePart(cwd, path));
  return images.length === 0 ? text : [{ type: "input_text", text }, ...images];
}

interface Prepared {
  agent: ComposedAgent;
  thread: Thread;
}

async function prepareThread(
  log: Log,
  { context, config, cwd }: LoadedConfig,
  args: Arguments,
  order: Order,
): Promise<Prepared> {
  if (order.resume) {
    const id = order.resume.id ?? (await latestThread(log, cwd));
    if (id === undefined) throw new MohoError("thread_not_found", `No thread was started in ${cwd} yet.`);
    const thread = await openThread(log, id);
    return { thread, agent: await composeAgent(context, config, args, { cwd, threadId: id }) };
  }
  const seed = { now: Date.now(), random: randomBytes(10) };
  const agent = await composeAgent(context, config, args, { cwd, threadId: uuidv7(seed.now, seed.random) });
  const model = agent.model.client.info().id;
  return { agent, thread: await createThread(log, { cwd, model, provider: agent.model.provider, ...seed }) };
}

/** Commands that run unconfined, because the user allowed it and no sandbox works, are announced. */
async function tellFallback({ environment, fallback }: ComposedAgent, view: View): Promise<void> {
  if (fallback !== "run" || environment.policy.mode === "danger-full-access") return;
  const { layer, notes } = await environment.report();
  if (layer === "none") view.event({ type: "error", message: `NO SANDBOX: ${notes.join("; ")}` });
}

function header({ agent, thread }: Prepared, cwd: string) {
  const { environment, model } = agent;
  const { mode } = environment.policy;
  return { threadId: thread.id, model: model.client.info().id, provider: model.provider, cwd, sandbox: mode };
}

function failedBefore(error: MohoError): ThreadEvent {
  const { message, code, category, retryable, next, requestId } = error;
  const usage = {
    input_tokens: 0,
    cached_input_tokens: 0,
    cache_write_input_tokens: 0,
    output_tokens: 0,
    reasoning_output_tokens: 0,
  };
  const shown = { message, code, category, retryable, next, ...(requestId && { request_id: requestId }) };
  return { type: "turn.failed", error: shown, usage };
}
