/** What every tool of the family is: a folder `tools/<name>/` whose `index.ts` exports `tool`. */

import type { ModelInfo } from "@moho/model";
import type { ContentPart, CustomTool, FunctionTool } from "@moho/protocol";
import type { Environment } from "@moho/sandbox";
import type { Wants } from "../approvals.ts";
import type { Files } from "../files.ts";
import type { ItemBody, OpenItem } from "../item-feed.ts";
import type { Session, Sessions } from "../sessions.ts";

/** Where a call acts. */
export interface ToolContext {
  /** Absolute. */
  cwd: string;
  environment: Environment;
  sessions: Sessions;
  files: Files;
  /** The whole environment of commands. */
  commandEnv: Readonly<Record<string, string>>;
  /** Ties a command to its item, which then completes by itself. */
  follow(item: OpenItem, session: Session): void;
  /** Epoch milliseconds. */
  now(): number;
  signal: AbortSignal;
}

/** A call that was understood: nothing has happened yet. */
export interface Action {
  wants: Wants;
  /** Why it asks to leave the sandbox, in the model's words. */
  justification?: string;
  /** Changes nothing, and depends on nothing that a neighbour in the same answer may change. */
  reads: boolean;
  /** How its events show it at the start, and when it is declined. */
  item: ItemBody;
  /** The running command that it continues. */
  session?: Session;
  run(context: ToolContext, item: OpenItem): Promise<Outcome>;
}

export interface Outcome {
  /** For the model. */
  output: string | ContentPart[];
  item: ItemBody;
  /** The item goes on: a command still runs. */
  open?: boolean;
}

export interface Tool {
  name: string;
  spec(info: ModelInfo): FunctionTool | CustomTool;
  /** Reads the model's arguments strictly. Throws `invalid_request` that says what is wrong with them. */
  prepare(call: { text: string; custom: boolean }, context: ToolContext): Action;
}
