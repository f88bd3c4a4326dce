/** Runs the tool calls of one answer: each is read, decided, acted on and answered; none of it throws. */

import { MohoError, type ToolCallItem, type ToolOutputItem, toMohoError } from "@moho/protocol";
import { type ApprovalPolicy, type Approve, type Decision, decide } from "./approvals.ts";
import type { ItemBody, ItemFeed } from "./item-feed.ts";
import { cutText } from "./output.ts";
import { MAX_OUTPUT_TOKENS } from "./sessions.ts";
import { outputOf } from "./thread/repair.ts";
import { findTool } from "./tools/registry.ts";
import type { Action, ToolContext } from "./tools/tool.ts";

export interface CallScope {
  context: ToolContext;
  feed: ItemFeed;
  approval: ApprovalPolicy;
  approve: Approve | undefined;
}

/**
 * The outputs in call order, each as soon as it and those before it are there. Calls that only read run together;
 * any other runs alone, after those before it and before those behind it.
 */
export async function* runCalls(
  calls: readonly ToolCallItem[],
  scope: CallScope,
): AsyncGenerator<ToolOutputItem> {
  let together: Promise<ToolOutputItem>[] = [];
  for (const call of calls) {
    const action = understand(call, scope.context);
    if (action instanceof MohoError) {
      together.push(Promise.resolve(reject(call, action, scope.feed)));
      continue;
    }
    if (!action.reads) {
      for (const output of together) yield await output;
      together = [];
    }
    const output = act(call, action, scope);
    if (action.reads) together.push(output);
    else yield await output;
  }
  for (const output of together) yield await output;
}

/** The output of a call that was never acted on. */
export function notRun(call: ToolCallItem, why: string): ToolOutputItem {
  return outputOf(call, `not run: ${why}`);
}

function understand(call: ToolCallItem, context: ToolContext): Action | MohoError {
  try {
    const custom = call.type === "custom_tool_call";
    return findTool(call.name).prepare({ text: custom ? call.input : call.arguments, custom }, context);
  } catch (error) {
    return toMohoError(error);
  }
}

async function act(call: ToolCallItem, action: Action, scope: CallScope): Promise<ToolOutputItem> {
  const { context, feed } = scope;
  if (context.signal.aborted) return notRun(call, "the turn was stopped before it.");
  const item = feed.start(action.item, action.session);
  if (action.session) feed.follow(item, action.session);
  const close = (status: "declined" | "failed") => {
    if (!action.session) item.complete(withStatus(action.item, status));
  };
  try {
    const refusal = await refusalOf(call, action, scope);
    if (refusal !== undefined) {
      close("declined");
      feed.tell({ type: "error", message: refusal });
      return notRun(call, refusal);
    }
    const outcome = await action.run(context, item);
    if (outcome.open) item.update(outcome.item);
    else item.complete(outcome.item);
    return outputOf(call, outcome.output);
  } catch (error) {
    close("failed");
    return reject(call, toMohoError(error), feed);
  }
}

function reject(call: ToolCallItem, error: MohoError, feed: ItemFeed): ToolOutputItem {
  const item = { type: "error" as const, message: `${call.name}: ${cutText(error.message, 500)}` };
  feed.start(item).complete(item);
  return outputOf(call, cutText(`failed: ${error.message}\n${error.next}`, MAX_OUTPUT_TOKENS));
}

/** Why the call may not act; `undefined` when it may. */
async function refusalOf(
  call: ToolCallItem,
  action: Action,
  { context, approval, approve }: CallScope,
): Promise<string | undefined> {
  const decision: Decision = decide(action.wants, { approval, mode: context.environment.policy.mode });
  if (decision.verdict === "allow") return undefined;
  if (decision.verdict === "forbid") return decision.reason;
  if (!approve) return `${decision.reason} Nobody is there to be asked.`;
  const text = call.type === "function_call" ? call.arguments : call.input;
  const { justification } = action;
  const approved = await approve({ tool: call.name, text, justification, decision }, context.signal);
  return approved ? undefined : "The user declined it.";
}

function withStatus(item: ItemBody, status: "declined" | "failed"): ItemBody {
  return "status" in item ? { ...item, status } : item;
}
