/**
 * What a model must know of its surroundings, as one message of up to three parts, from what seldom varies to what
 * varies by folder and day. A later turn repeats only the parts that changed. Pure.
 */

import type { MessageItem, TextPart } from "@moho/protocol";
import type { SandboxPolicy } from "@moho/sandbox";
import type { ApprovalPolicy } from "../approvals.ts";
import type { ContextKind, ThreadRecord } from "../thread/records.ts";
import type { ProjectDocs } from "./project-docs.ts";

export interface Surroundings {
  cwd: string;
  sandbox: SandboxPolicy;
  approval: ApprovalPolicy;
  docs: ProjectDocs;
  /** Epoch milliseconds; the day is told in local time. */
  now: number;
}

const KINDS: readonly ContextKind[] = ["home", "project", "environment"];

/** The record of the message that brings a model from `known` up to date; `undefined` when nothing changed. */
export function contextRecord(
  known: Readonly<Partial<Record<ContextKind, string>>>,
  surroundings: Surroundings,
): ThreadRecord | undefined {
  const texts = contextTexts(surroundings);
  const changed = KINDS.filter((kind) => texts[kind] !== "" && texts[kind] !== known[kind]);
  if (changed.length === 0) return undefined;
  const content: TextPart[] = changed.map((kind) => ({ type: "input_text", text: texts[kind] }));
  const item: MessageItem = { type: "message", role: "user", content };
  return { type: "item", item, context: changed };
}

function contextTexts({ docs, ...rest }: Surroundings): Record<ContextKind, string> {
  return {
    home: docs.home && instructions("the user, for every project", docs.home),
    project: docs.project && instructions("this project", docs.project),
    environment: environmentText(rest),
  };
}

function instructions(of: string, text: string): string {
  return `<instructions from="AGENTS.md of ${of}">\n${text}\n</instructions>`;
}

function environmentText({ cwd, sandbox, approval, now }: Omit<Surroundings, "docs">): string {
  return [
    "<environment>",
    `sandbox: ${sandboxText(sandbox)}`,
    ...(sandbox.mode === "danger-full-access" ? [] : [`approvals: ${APPROVALS[approval]}`]),
    "shell: bash",
    `cwd: ${cwd}`,
    ...(sandbox.mode === "workspace-write" ? [`writable: ${writable(sandbox)}`] : []),
    `date: ${localDay(now)}`,
    "</environment>",
  ].join("\n");
}

const APPROVALS: Record<ApprovalPolicy, string> = {
  never: "never (asking to leave the sandbox is refused)",
  "on-request": "on request",
};

function sandboxText({ mode, network, protectedNames }: SandboxPolicy): string {
  if (mode === "danger-full-access") return "none, full access";
  const net = network ? "network on" : "network off";
  if (mode === "read-only" || protectedNames.length === 0) return `${mode}, ${net}`;
  return `${mode}, ${net}, read-only at the workspace's top: ${protectedNames.join(" ")}`;
}

function writable({ roots, tmpWritable }: SandboxPolicy): string {
  return [...roots, ...(tmpWritable ? ["the temporary folder"] : [])].join(", ");
}

function localDay(now: number): string {
  const date = new Date(now);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
