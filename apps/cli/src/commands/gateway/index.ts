/** `moho gateway`: serves until it is interrupted, then ends in order. */

import { resolve } from "node:path";
import type { Logger } from "@moho/gateway";
import { MohoError } from "@moho/protocol";
import type { Command } from "../../command.ts";
import { composeGateway } from "../../compose/gateway.ts";
import type { Context } from "../../context.ts";
import { EXIT } from "../../exit.ts";
import { readGatewayConfig } from "./config.ts";
import { clientSettings, devAdministrator, devConfig } from "./dev.ts";

export const command: Command = {
  usage: ["--config FILE", "--dev --upstream KIND=VALUE [--listen HOST:PORT]"],
  about: "Serve Bedrock's wire APIs on one port, governed: identity, policy, budgets, audit.",
  flags: [
    { name: "config", value: "FILE", about: "The gateway's TOML file." },
    { name: "dev", about: "No file: ephemeral store, one administrator, every model free, to one upstream." },
    {
      name: "listen",
      value: "HOST:PORT",
      about: "With --dev: where to listen (127.0.0.1:8080); port 0 picks one.",
    },
    {
      name: "upstream",
      value: "KIND=VALUE",
      about: "With --dev: openai-compatible=URL, bedrock-mantle=REGION or scripted=FILE.",
    },
    { name: "database", value: "FILE", about: "With --dev: keep the store in this SQLite file." },
  ],
  async run(context, args) {
    const file = args.value("config");
    if (args.on("dev") === (file !== undefined))
      throw new MohoError("invalid_request", "moho gateway takes either --config FILE or --dev.");
    const config = file ? await readGatewayConfig(resolve(context.cwd, file)) : devConfig(context, args);
    const address = addressOf(config.listen);
    const composed = await composeGateway(context, config, logTo(context));
    try {
      const made = file ? [] : await devAdministrator(context, composed);
      const running = await composed.gateway.listen(address).catch(cannotListen(config.listen));
      const url = `http://${address.host.includes(":") ? `[${address.host}]` : address.host}:${running.port}`;
      context.stdout.write(`moho gateway ready on ${url}\n`);
      for (const line of file ? [] : [...made, ...clientSettings(url, config.region)])
        context.stdout.write(`${line}\n`);
      await untilAborted(context.signal);
      await running.close();
    } finally {
      await composed.close();
    }
    return EXIT.ok;
  },
};

/** What the operating system says about an address that cannot be had. */
const ADDRESS_FAULTS: Record<string, [why: string, next: string]> = {
  EADDRINUSE: [
    "another process listens there",
    "Stop that process (`ss -ltnp` shows it), or choose another address with `listen`; port 0 picks a free one.",
  ],
  EACCES: ["this user may not listen there", "Choose a port from 1024, or let a proxy in front take it."],
  EADDRNOTAVAIL: [
    "this machine has no such address",
    "Use 127.0.0.1, 0.0.0.0 or an address of this machine.",
  ],
  ENOTFOUND: ["no such host is known", "Use an IP address, or a name that this machine knows."],
};

function cannotListen(listen: string) {
  return (cause: NodeJS.ErrnoException): never => {
    const [why, next] = ADDRESS_FAULTS[cause.code ?? ""] ?? [];
    if (!why) throw cause;
    throw new MohoError("invalid_config", `Cannot listen on ${listen}: ${why}.`, { cause, next });
  };
}

function addressOf(listen: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(listen);
  const port = Number(match?.[3]);
  if (match && port <= 65_535) return { host: (match[1] ?? match[2])!, port };
  throw new MohoError("invalid_config", `"${listen}" is not HOST:PORT.`, {
    next: "Write for example 127.0.0.1:8080, or [::1]:8080.",
  });
}

/** Structured lines on stderr; the audit log, not this, says who did what. */
function logTo(context: Context): Logger {
  const line =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) =>
      void context.stderr.write(
        `${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`,
      );
  return { info: line("info"), warn: line("warn"), error: line("error") };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((done) => {
    // A pending promise alone keeps no process alive; the listening socket does.
    signal.addEventListener("abort", () => done(), { once: true });
  });
}
