/** `moho sandbox status | run`: what the sandbox enforces on this machine, and any command in it. */

import { MohoError } from "@moho/protocol";
import { commandEnvironment } from "@moho/sandbox";
import type { Arguments, Command } from "../command.ts";
import { composeEnvironment, readMode } from "../compose/environment.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";

export const command: Command = {
  usage: ["status", "run [-s MODE] -- COMMAND…"],
  about: "Show what the sandbox enforces here, or run a command in it.",
  flags: [
    {
      name: "sandbox",
      short: "s",
      value: "MODE",
      about: "read-only, workspace-write (default) or danger-full-access.",
    },
    { name: "network", about: "Let the command use the network." },
    { name: "json", about: "With status: print the report as JSON." },
  ],
  async run(context, args) {
    const [verb, ...argv] = args.positionals;
    const mode = readMode(args.value("sandbox") ?? "workspace-write");
    const environment = composeEnvironment(context, { cwd: context.cwd, mode, network: args.on("network") });
    try {
      if (verb === "status") return await status(context, args, environment);
      if (verb === "run" && argv.length > 0) return await runIn(context, argv, environment);
    } finally {
      await environment.close();
    }
    throw new MohoError("invalid_request", "moho sandbox takes `status` or `run -- COMMAND…`.");
  },
};

type Env = ReturnType<typeof composeEnvironment>;

async function status(context: Context, args: Arguments, environment: Env): Promise<number> {
  const report = await environment.report();
  if (args.on("json")) {
    context.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return EXIT.ok;
  }
  const say = (on: boolean) => (on ? "enforced" : "NOT enforced");
  const { enforced } = report;
  context.stdout.write(
    `layer      ${report.layer}\nmode       ${environment.policy.mode}\n` +
      `writes     ${say(enforced.writes)}\nreads      ${say(enforced.reads)}\n` +
      `network    ${say(enforced.network)}\nprocesses  ${say(enforced.processes)}\n`,
  );
  for (const note of report.notes) context.stdout.write(`note       ${note}\n`);
  return EXIT.ok;
}

async function runIn(context: Context, argv: string[], environment: Env): Promise<number> {
  const env = commandEnvironment(context.env);
  const child = await environment.start({ argv, cwd: context.cwd, env, input: "empty" });
  const stop = () => child.kill();
  context.signal.addEventListener("abort", stop, { once: true });
  child.onOutput((chunk) => context.stdout.write(chunk.toString("utf8")));
  const { code, error } = await child.exited;
  context.signal.removeEventListener("abort", stop);
  if (error !== undefined) throw new MohoError("invalid_request", error);
  return context.signal.aborted ? EXIT.interrupted : (code ?? EXIT.failed);
}
