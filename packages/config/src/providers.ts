/** What may be said about model providers beyond the kinds of their keys (codex-behaviour §1.4). Pure. */

import type { Issue } from "./check.ts";
import { nearestName } from "./nearest.ts";
import type { Path } from "./path.ts";
import { isTable, type Table } from "./toml.ts";

const BEDROCK = ["amazon-bedrock", "amazon-bedrock-runtime"];
const BUILT_IN = ["openai", ...BEDROCK, "gcp", "ollama", "lmstudio"];

/** Codex allows the first five; the retry and time-out knobs are what its Bedrock users lack. */
const BEDROCK_KEYS = new Set([
  ...["base_url", "auth", "http_headers", "aws", "wire_api"],
  ...["request_max_retries", "stream_max_retries", "stream_idle_timeout_ms"],
]);

/** Rules over the merged settings; each issue names the key at fault. */
export function providerIssues(settings: Table): Issue[] {
  const providers = isTable(settings["model_providers"]) ? settings["model_providers"] : {};
  const issues = Object.entries(providers).flatMap(([id, provider]) =>
    entryIssues(id, provider as Table).map(({ keys, message }) =>
      wrong(["model_providers", id, ...keys], `the provider \`${id}\` ${message}`),
    ),
  );
  const chosen = settings["model_provider"] as string;
  const known = [...BUILT_IN, ...Object.keys(providers)];
  if (!known.includes(chosen)) {
    const near = nearestName(chosen, known);
    const meant = near === undefined ? `known: ${known.join(", ")}` : `did you mean "${near}"?`;
    issues.push(wrong(["model_provider"], `there is no model provider "${chosen}" (${meant})`));
  }
  return issues;
}

interface EntryIssue {
  keys: string[];
  message: string;
}

function entryIssues(id: string, provider: Table): EntryIssue[] {
  const bedrock = BEDROCK.includes(id);
  if (!bedrock && BUILT_IN.includes(id)) {
    const instead = id === "openai" ? "set `openai_base_url`, or " : "";
    return [{ keys: [], message: `is built in and cannot be redefined: ${instead}give yours another name` }];
  }
  const issues: EntryIssue[] = [];
  if (bedrock) {
    for (const key of Object.keys(provider)) {
      if (BEDROCK_KEYS.has(key)) continue;
      const allowed = [...BEDROCK_KEYS].join(", ");
      issues.push({
        keys: [key],
        message: `is built in: \`${key}\` cannot be changed (allowed: ${allowed})`,
      });
    }
  } else if ("aws" in provider) {
    issues.push({ keys: ["aws"], message: `cannot have \`aws\`: only ${BEDROCK.join(" and ")} can` });
  }
  if ("aws" in provider && "auth" in provider) {
    issues.push({ keys: ["auth"], message: "has both `aws` and `auth`: keep one" });
  }
  const aws = isTable(provider["aws"]) ? provider["aws"] : {};
  if ("credential_export" in aws && "profile" in aws) {
    issues.push({
      keys: ["aws", "profile"],
      message: "has both `aws.credential_export` and `aws.profile`: keep one",
    });
  }
  return issues;
}

function wrong(path: Path, message: string): Issue {
  return { kind: "wrong", path, message };
}
