/** The flags of `moho exec`: Codex's names where Codex has them. */

import type { Config } from "@moho/config";
import { MohoError, type NanoUsd, usdToNano } from "@moho/protocol";
import type { Arguments, Flag } from "../../command.ts";

export const FLAGS: Flag[] = [
  { name: "model", short: "m", value: "MODEL", about: "The model, in any spelling." },
  {
    name: "config",
    short: "c",
    value: "KEY=VALUE",
    multiple: true,
    about: "Override one setting (TOML value).",
  },
  { name: "profile", short: "p", value: "NAME", about: "Layer NAME.config.toml over the user's settings." },
  { name: "cd", short: "C", value: "DIR", about: "Work in DIR." },
  {
    name: "sandbox",
    short: "s",
    value: "MODE",
    about: "read-only, workspace-write (default in a repository) or danger-full-access.",
  },
  { name: "add-dir", value: "DIR", multiple: true, about: "One more writable folder." },
  { name: "image", short: "i", value: "FILE", multiple: true, about: "Attach an image to the prompt." },
  { name: "skip-git-repo-check", about: "Allow a folder outside of any Git repository." },
  {
    name: "output-last-message",
    short: "o",
    value: "FILE",
    about: "Write the agent's last message to FILE.",
  },
  { name: "output-schema", value: "FILE", about: "JSON Schema that the last message must follow." },
  { name: "json", about: "Print events as JSON lines on stdout." },
  { name: "ephemeral", about: "Do not store the thread." },
  { name: "strict-config", about: "An unknown setting is an error." },
  { name: "max-cost", value: "USD", about: "Stop before more than this many dollars are spent." },
  { name: "max-turns", value: "N", about: "Stop after N model calls." },
  { name: "timeout", value: "DURATION", about: "Stop after 90s, 10m or 2h." },
  { name: "last", about: "With resume: the newest thread of this folder." },
];

export interface Limits {
  maxCost?: NanoUsd;
  maxTurns?: number;
  timeoutMs?: number;
}

type LimitSettings = NonNullable<Config["settings"]["moho"]>;

/** The three limits: flags before `[moho]`. A value that is no number is an `invalid_request`. */
export function readLimits(args: Arguments, settings: LimitSettings | undefined): Limits {
  const limits: Limits = {};
  if (settings?.max_cost_usd !== undefined) limits.maxCost = usdToNano(settings.max_cost_usd);
  if (settings?.max_turns !== undefined) limits.maxTurns = settings.max_turns;
  if (settings?.timeout_sec !== undefined) limits.timeoutMs = settings.timeout_sec * 1000;
  const cost = args.value("max-cost");
  if (cost !== undefined) limits.maxCost = usdToNano(positive("--max-cost", cost.replace(/^\$/, "")));
  const turns = args.value("max-turns");
  if (turns !== undefined) limits.maxTurns = whole("--max-turns", positive("--max-turns", turns));
  const timeout = args.value("timeout");
  if (timeout !== undefined) limits.timeoutMs = duration(timeout);
  return limits;
}

function whole(flag: string, value: number): number {
  if (Number.isInteger(value)) return value;
  throw new MohoError("invalid_request", `${flag} takes a whole number, not ${value}.`);
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw new MohoError("invalid_request", `${flag} takes a number above zero, not "${text}".`);
}

const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000 };

function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smh]?)$/.exec(text);
  if (match && Number(match[1]) > 0) return Number(match[1]) * UNIT_MS[match[2] || "s"]!;
  throw new MohoError("invalid_request", `--timeout takes a duration such as 90s, 10m or 2h, not "${text}".`);
}
