/** A Messages client's tools as the hub's. */

import type { ToolSpec } from "@moho/protocol";
import {
  defined,
  expectArray,
  expectBoolean,
  expectName,
  expectObject,
  expectString,
  optional,
  type Raw,
} from "../fields.ts";
import { invalidAt, type Note, unsupportedItem } from "../notes.ts";
import { readBreakpoint } from "./cache.ts";

export function readMessagesTools(raw: Raw, notes: Note[]): ToolSpec[] | undefined {
  return optional(raw, "tools", "", expectArray)?.map((tool, index) => readTool(tool, index, notes));
}

function readTool(value: unknown, index: number, notes: Note[]): ToolSpec {
  const path = `tools[${index}]`;
  const tool = expectObject(value, path);
  const type = optional(tool, "type", path, expectString) ?? "custom";
  if (type.startsWith("web_search")) {
    const why = "only the tool itself is known in other dialects, not its options";
    notes.push({ leg: "client", kind: type, index, what: "rewritten", why });
    return { type: "web_search" };
  }
  if (type !== "custom") {
    throw unsupportedItem(type, index, "only Anthropic's own endpoints know this tool");
  }
  return defined({
    type: "function",
    name: expectName(tool["name"], `${path}.name`),
    description: optional(tool, "description", path, expectString),
    parameters: expectObject(tool["input_schema"], `${path}.input_schema`),
    strict: optional(tool, "strict", path, expectBoolean),
    ...readBreakpoint(tool, path),
  }) as ToolSpec;
}

export function readMessagesChoice(raw: Raw): { tool_choice?: unknown; parallel_tool_calls?: boolean } {
  const choice = optional(raw, "tool_choice", "", expectObject);
  if (choice === undefined) return {};
  const single = optional(choice, "disable_parallel_tool_use", "tool_choice", expectBoolean);
  const parallel = single === undefined ? {} : { parallel_tool_calls: !single };
  switch (choice["type"]) {
    case "auto":
    case "none":
      return { tool_choice: choice["type"], ...parallel };
    case "any":
      return { tool_choice: "required", ...parallel };
    case "tool":
      return {
        tool_choice: { type: "function", name: expectName(choice["name"], "tool_choice.name") },
        ...parallel,
      };
    default:
      throw invalidAt("tool_choice.type", "must be auto, any, tool or none");
  }
}
