/** Human output of `moho exec`: items on stderr as they finish, a progress line, the last message on stdout. */

import { stripVTControlCharacters } from "node:util";
import { formatUsd, type ThreadEvent, type ThreadItem, type TurnUsage, usdToNano } from "@moho/protocol";
import type { Output } from "../../context.ts";

export interface Header {
  threadId: string;
  model: string;
  provider: string;
  cwd: string;
  sandbox: string;
}

export interface View {
  header(header: Header): void;
  event(event: ThreadEvent): void;
  /** What the turn has used so far. */
  usage(usage: TurnUsage): void;
}

const COMMAND_LINES = 6;

/** A calm view: one short block an item, colours only on a terminal. */
export function humanView(
  stdout: Output,
  stderr: Output,
  env: Readonly<Record<string, string | undefined>>,
): View {
  const colour = stderr.isTTY === true && !env["NO_COLOR"];
  const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  const dim = (text: string) => paint(2, text);
  const progress = progressLine(stderr);
  const say = (text: string) => progress.above(`${text}\n`);
  let last = "";
  return {
    header({ threadId, model, provider, cwd, sandbox }) {
      say(dim(`moho · ${model} on ${provider} · ${cwd} · sandbox ${sandbox} · thread ${threadId}`));
    },
    usage(usage) {
      progress.used(spent(usage));
    },
    event(raw) {
      const event = plainEvent(raw);
      // To a file or pipe the last message goes as it is.
      if (raw.type === "item.completed" && raw.item.type === "agent_message")
        last = stdout.isTTY ? plain(raw.item.text) : raw.item.text;
      switch (event.type) {
        case "item.started":
          progress.set(doing(event.item));
          return;
        case "item.completed":
          for (const line of finished(event.item, paint)) say(line);
          progress.set("thinking");
          return;
        case "error":
          say(paint(33, event.message));
          return;
        case "turn.started":
          progress.set("thinking");
          return;
        case "turn.completed":
          progress.clear();
          stderr.write(`${dim(spent(event.usage))}\n`);
          stdout.write(last.endsWith("\n") ? last : `${last}\n`);
          return;
        case "turn.failed":
          progress.clear();
          stderr.write(`${paint(31, `failed: ${event.error.message}`)}\n`);
          stderr.write(`  code: ${event.error.code}\n  next: ${event.error.next}\n`);
          if (event.error.request_id) stderr.write(`  request: ${event.error.request_id}\n`);
          stderr.write(`${dim(spent(event.usage))}\n`);
          return;
        default:
          return;
      }
    },
  };
}

/** What was used, in one line: tokens, the cached part, dollars where the price is known. */
export function spent(usage: TurnUsage): string {
  const cached = usage.cached_input_tokens > 0 ? ` (${count(usage.cached_input_tokens)} cached)` : "";
  const cost = usage.cost_usd === undefined ? "price unknown" : formatUsd(usdToNano(usage.cost_usd));
  return `${count(usage.input_tokens)} in${cached} · ${count(usage.output_tokens)} out · ${cost}`;
}

function count(tokens: number): string {
  return tokens < 1000
    ? String(tokens)
    : tokens < 1e6
      ? `${(tokens / 1e3).toFixed(1)}k`
      : `${(tokens / 1e6).toFixed(2)}M`;
}

function doing(item: ThreadItem): string {
  if (item.type === "command_execution") return `running ${firstLine(item.command)}`;
  if (item.type === "file_change") return "editing";
  return "thinking";
}

function firstLine(text: string): string {
  const line = text.trimStart().split("\n", 1)[0]!;
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}

function finished(item: ThreadItem, paint: (code: number, text: string) => string): string[] {
  switch (item.type) {
    case "agent_message":
      return [];
    case "reasoning":
      return item.text.trim() ? [paint(2, `· ${firstLine(item.text)}`)] : [];
    case "command_execution": {
      const mark = item.status === "completed" && item.exit_code === 0 ? paint(32, "✓") : paint(31, "✗");
      const code =
        item.exit_code === null || item.exit_code === 0 ? "" : paint(31, ` (exit ${item.exit_code})`);
      return [`${mark} ${firstLine(item.command)}${code}`, ...tail(item.aggregated_output, paint)];
    }
    case "file_change":
      return item.changes.map(
        (change) =>
          `${item.status === "completed" ? paint(32, "✎") : paint(31, "✗")} ${change.kind} ${change.path}`,
      );
    case "todo_list":
      return item.items.map((step) => `${step.completed ? paint(32, "☑") : "☐"} ${step.text}`);
    case "image_view":
      return [`◻ ${item.path}`];
    case "error":
      return [paint(33, item.message)];
  }
}

/** What a model or a command wrote, without the bytes that would steer the user's terminal. */
function plain(text: string): string {
  return stripVTControlCharacters(text).replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "");
}

/** The event with every text in it made plain: any field may hold what a model or a command wrote. */
function plainEvent(event: ThreadEvent): ThreadEvent {
  return JSON.parse(JSON.stringify(event), (_, value) => (typeof value === "string" ? plain(value) : value));
}

function tail(output: string, paint: (code: number, text: string) => string): string[] {
  const lines = output.trimEnd().split("\n");
  if (lines.length === 1 && lines[0] === "") return [];
  const shown = lines.slice(-COMMAND_LINES).map((line) => paint(2, `  ${line.slice(0, 160)}`));
  return lines.length > COMMAND_LINES
    ? [paint(2, `  … ${lines.length - COMMAND_LINES} lines`), ...shown]
    : shown;
}

interface ProgressLine {
  /** What goes on now. */
  set(text: string): void;
  /** Tokens and dollars so far. */
  used(text: string): void;
  clear(): void;
  /** Prints above the line. */
  above(text: string): void;
}

/** One line that is redrawn in place on a terminal and absent elsewhere. */
function progressLine(out: Output): ProgressLine {
  const nothing = () => undefined;
  if (out.isTTY !== true)
    return { set: nothing, used: nothing, clear: nothing, above: (text) => void out.write(text) };
  let current = "";
  let cost = "";
  const draw = () => {
    const room = (out.columns ?? 80) - cost.length - 6;
    const line = [current.slice(0, Math.max(12, room)), cost].filter((part) => part !== "").join(" · ");
    return out.write(`\r\x1b[2K\x1b[2m${line}\x1b[0m`);
  };
  const erase = () => current && out.write("\r\x1b[2K");
  return {
    set(text) {
      current = `${text} …`;
      draw();
    },
    used(text) {
      cost = text;
      if (current) draw();
    },
    clear() {
      erase();
      current = "";
    },
    above(text) {
      erase();
      out.write(text);
      if (current) draw();
    },
  };
}
