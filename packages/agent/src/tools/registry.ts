/** The tools a model is offered, in an order that never changes: by name. */

import type { ModelInfo } from "@moho/model";
import { type CustomTool, type FunctionTool, MohoError } from "@moho/protocol";
import { tool as applyPatch } from "./apply-patch/index.ts";
import { tool as execCommand } from "./exec-command/index.ts";
import type { Tool } from "./tool.ts";
import { tool as updatePlan } from "./update-plan/index.ts";
import { tool as viewImage } from "./view-image/index.ts";
import { tool as writeStdin } from "./write-stdin/index.ts";

const TOOLS: readonly Tool[] = [applyPatch, execCommand, updatePlan, viewImage, writeStdin];

export function toolSpecs(info: ModelInfo): (FunctionTool | CustomTool)[] {
  return TOOLS.map((tool) => tool.spec(info));
}

/** Throws `invalid_request` naming the tools there are. */
export function findTool(name: string): Tool {
  const tool = TOOLS.find((known) => known.name === name);
  if (tool) return tool;
  const names = TOOLS.map((known) => known.name).join(", ");
  throw new MohoError("invalid_request", `There is no tool "${name}". The tools are: ${names}.`);
}
