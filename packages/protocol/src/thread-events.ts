/**
 * The events of `moho exec --json`, one JSON object a line: Codex's vocabulary, flat, noun then phase,
 * with exactly one terminal event (`turn.completed` or `turn.failed`). Its JSON Schema is
 * `packages/protocol/schema/thread-events.v1.json`; changing either is a release decision.
 */

import type { ErrorCategory, ErrorCode } from "./errors.ts";

export const THREAD_EVENTS_VERSION = 1;

export type ItemStatus = "in_progress" | "completed" | "failed" | "declined";

export type ThreadItem =
  | { id: string; type: "agent_message"; text: string }
  | { id: string; type: "reasoning"; text: string }
  | {
      id: string;
      type: "command_execution";
      command: string;
      aggregated_output: string;
      exit_code: number | null;
      status: ItemStatus;
    }
  | {
      id: string;
      type: "file_change";
      changes: { path: string; kind: "add" | "delete" | "update" }[];
      status: ItemStatus;
    }
  | { id: string; type: "todo_list"; items: { text: string; completed: boolean }[] }
  | { id: string; type: "image_view"; path: string; status: ItemStatus }
  | { id: string; type: "error"; message: string };

/** Codex's usage counts (input includes cached), plus Moho's cost in dollars when the price is known. */
export interface TurnUsage {
  input_tokens: number;
  cached_input_tokens: number;
  cache_write_input_tokens: number;
  output_tokens: number;
  reasoning_output_tokens: number;
  cost_usd?: number;
}

export interface TurnError {
  message: string;
  code: ErrorCode;
  category: ErrorCategory;
  retryable: boolean;
  next: string;
  request_id?: string;
}

export type ThreadEvent =
  | { type: "thread.started"; thread_id: string; schema_version: number }
  | { type: "turn.started" }
  | { type: "item.started" | "item.updated" | "item.completed"; item: ThreadItem }
  | { type: "turn.completed"; usage: TurnUsage }
  | { type: "turn.failed"; error: TurnError; usage: TurnUsage }
  /** A notice that does not end the turn, such as a retry. */
  | { type: "error"; message: string };
