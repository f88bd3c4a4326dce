/** `update_plan`: the model's list of steps, shown to the user. */

import { objectSchema, readArguments } from "../arguments.ts";
import type { Tool } from "../tool.ts";

interface Arguments {
  explanation?: string;
  plan: { step: string; status: "pending" | "in_progress" | "completed" }[];
}

const SCHEMA = objectSchema(
  {
    explanation: { type: "string" },
    plan: {
      type: "array",
      items: objectSchema(
        {
          step: { type: "string" },
          status: { type: "string", enum: ["pending", "in_progress", "completed"] },
        },
        ["step", "status"],
      ),
    },
  },
  ["plan"],
);

export const tool: Tool = {
  name: "update_plan",
  spec: () => ({
    type: "function",
    name: "update_plan",
    description: "Shows the user your steps and where you are; each call replaces the whole list.",
    strict: false,
    parameters: { ...SCHEMA },
  }),
  prepare({ text }) {
    const { plan } = readArguments<Arguments>(text, SCHEMA);
    const items = plan.map(({ step, status }) => ({ text: step, completed: status === "completed" }));
    const item = { type: "todo_list" as const, items };
    return {
      wants: { writes: false, escalates: false },
      reads: true,
      item,
      run: async () => ({ output: "The plan is shown.", item }),
    };
  },
};
