/** Every command: its name, one line, and how to load it. Nothing else of a command loads before it is called. */

import type { Command } from "../command.ts";

export interface CommandRow {
  name: string;
  about: string;
  load(): Promise<Command>;
}

export const COMMANDS: readonly CommandRow[] = [
  {
    name: "exec",
    about: "Run the coding agent on one task, without a screen.",
    load: async () => (await import("./exec/index.ts")).command,
  },
  {
    name: "apply-patch",
    about: "Apply a patch to the working folder.",
    load: async () => (await import("./apply-patch.ts")).command,
  },
  {
    name: "auth",
    about: "Show which AWS identity calls the model, and why.",
    load: async () => (await import("./auth.ts")).command,
  },
  {
    name: "gateway",
    about: "Serve Bedrock's wire APIs, governed.",
    load: async () => (await import("./gateway/index.ts")).command,
  },
  {
    name: "admin",
    about: "Manage a gateway's principals, keys, policies and budgets.",
    load: async () => (await import("./admin.ts")).command,
  },
  {
    name: "audit",
    about: "Verify and read a gateway's audit log.",
    load: async () => (await import("./audit.ts")).command,
  },
  {
    name: "sandbox",
    about: "Show what the sandbox enforces here, or run a command in it.",
    load: async () => (await import("./sandbox.ts")).command,
  },
  {
    name: "demo",
    about: "The whole chain on embedded defaults: no account, no network.",
    load: async () => (await import("./demo/index.ts")).command,
  },
];
