/** `moho apply-patch [PATCH | -]`: applies one patch in the working folder, with the agent's own code. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { applyPatch } from "@moho/agent";
import { MohoError } from "@moho/protocol";
import type { Command } from "../command.ts";
import { composeEnvironment } from "../compose/environment.ts";
import { EXIT } from "../exit.ts";
import { readText } from "../read-text.ts";

export const command: Command = {
  usage: ["[PATCH | -]"],
  about: "Apply a patch (Codex's envelope or a unified diff) in the working folder: wholly or not at all.",
  flags: [],
  async run(context, args) {
    const [argument] = args.positionals;
    if (argument !== undefined && argument !== "-" && existsSync(resolve(context.cwd, argument)))
      throw new MohoError("invalid_patch", `"${argument}" is a file, and the argument is the patch itself.`, {
        next: `Give it on standard input: \`moho apply-patch - < ${argument}\`.`,
      });
    const text = await readText(context, args.positionals[0] ?? "-", "patch");
    const environment = composeEnvironment(context, { cwd: context.cwd, mode: "workspace-write" });
    try {
      const result = await applyPatch(text, { root: context.cwd, canWrite: environment.canWrite });
      context.stdout.write(`${result.summary}\n`);
      return EXIT.ok;
    } finally {
      await environment.close();
    }
  },
};
