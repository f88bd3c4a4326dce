/** `moho admin`: principals, policies, keys and budgets of a gateway's database, also while the gateway runs. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Administration } from "@moho/access";
import { formatUsd, MohoError, usdToNano } from "@moho/protocol";
import type { Ledger, Period } from "@moho/store";
import type { Arguments, Command } from "../command.ts";
import { composeStore } from "../compose/gateway.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { readGatewayConfig } from "./gateway/config.ts";

interface Scene {
  context: Context;
  args: Arguments;
  administration: Administration;
  ledger: Ledger;
  /** What follows the two words of the verb. */
  rest: string[];
}

/** Every verb: its words, how it is used, what it does. What it returns is printed. */
const VERBS: Record<string, { usage: string; run(scene: Scene): Promise<string> }> = {
  "user create": { usage: "user create NAME", run: createUser },
  "user disable": { usage: "user disable NAME", run: (scene) => enableUser(scene, false) },
  "user enable": { usage: "user enable NAME", run: (scene) => enableUser(scene, true) },
  "policy put": { usage: "policy put NAME FILE", run: putPolicy },
  "policy attach": { usage: "policy attach USER NAME", run: attachPolicy },
  "policy detach": { usage: "policy detach USER NAME", run: detachPolicy },
  "key create": { usage: "key create USER", run: createKey },
  "key disable": { usage: "key disable ID", run: (scene) => enableKey(scene, false) },
  "key enable": { usage: "key enable ID", run: (scene) => enableKey(scene, true) },
  "api-key create": { usage: "api-key create USER [--days N]", run: createApiKey },
  "budget put": { usage: "budget put SCOPE --limit USD --period PERIOD [--owner WHO]", run: putBudget },
  "budget remove": { usage: "budget remove SCOPE", run: removeBudget },
};
const PERIODS: readonly Period[] = ["daily", "weekly", "monthly", "total"];

export const command: Command = {
  usage: [...Object.values(VERBS).map(({ usage }) => `${usage} --config FILE`), "list --config FILE"],
  about:
    "Manage a gateway's principals, policies, keys and budgets. A secret is shown once, by the call that makes it.",
  flags: [
    { name: "config", value: "FILE", about: "The gateway's TOML file." },
    { name: "limit", value: "USD", about: "The budget's limit in dollars." },
    { name: "period", value: "PERIOD", about: "daily, weekly, monthly or total." },
    { name: "owner", value: "WHO", about: "Whom to ask for more; shown to callers who are refused." },
    { name: "days", value: "N", about: "The key ends after N days." },
  ],
  async run(context, args) {
    const [noun = "", verb = "", ...rest] = args.positionals;
    const row = VERBS[`${noun} ${verb}`];
    if (!row && noun !== "list")
      throw new MohoError("invalid_request", `moho admin knows no "${`${noun} ${verb}`.trim()}".`, {
        next: "See `moho admin --help`.",
      });
    const file = args.value("config");
    if (file === undefined) throw new MohoError("invalid_request", "moho admin needs --config FILE.");
    const { store, access } = await composeStore(await readGatewayConfig(resolve(context.cwd, file)));
    try {
      const scene = { context, args, administration: access.administration, ledger: store.ledger, rest };
      context.stdout.write(`${row ? await row.run(scene) : await list(scene)}\n`);
      return EXIT.ok;
    } finally {
      await store.close();
    }
  },
};

/** The n-th word after the verb. */
function word({ rest }: Scene, index: number, what: string): string {
  const text = rest[index];
  if (text) return text;
  throw new MohoError("invalid_request", `The ${what} is missing.`, { next: "See `moho admin --help`." });
}

async function createUser(scene: Scene): Promise<string> {
  const { arn } = await scene.administration.createPrincipal({ name: word(scene, 0, "user's name") });
  return `created ${arn}`;
}

async function enableUser(scene: Scene, enabled: boolean): Promise<string> {
  const name = word(scene, 0, "user's name");
  await scene.administration.setPrincipalEnabled(name, enabled);
  return `${enabled ? "enabled" : "disabled"} ${name}`;
}

async function putPolicy(scene: Scene): Promise<string> {
  const name = word(scene, 0, "policy's name");
  const path = resolve(scene.context.cwd, word(scene, 1, "policy's file"));
  await scene.administration.putPolicy(name, readJson(path));
  return `stored policy ${name}`;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    throw new MohoError("invalid_request", `${path} cannot be read as JSON: ${why}.`, { cause });
  }
}

async function attachPolicy(scene: Scene): Promise<string> {
  const [user, policy] = [word(scene, 0, "user's name"), word(scene, 1, "policy's name")];
  await scene.administration.attachPolicy(user, policy);
  return `attached ${policy} to ${user}`;
}

async function detachPolicy(scene: Scene): Promise<string> {
  const [user, policy] = [word(scene, 0, "user's name"), word(scene, 1, "policy's name")];
  await scene.administration.detachPolicy(user, policy);
  return `detached ${policy} from ${user}`;
}

async function createKey(scene: Scene): Promise<string> {
  const key = await scene.administration.issueAccessKey(word(scene, 0, "user's name"));
  return `AWS_ACCESS_KEY_ID=${key.accessKeyId}\nAWS_SECRET_ACCESS_KEY=${key.secretAccessKey}`;
}

async function enableKey(scene: Scene, enabled: boolean): Promise<string> {
  const id = word(scene, 0, "key's id");
  await scene.administration.setKeyEnabled(id, enabled);
  return `${enabled ? "enabled" : "disabled"} ${id}`;
}

async function createApiKey(scene: Scene): Promise<string> {
  const days = scene.args.value("days");
  const user = word(scene, 0, "user's name");
  const { id, key } = await scene.administration.issueApiKey(
    user,
    days === undefined ? {} : { days: Number(days) },
  );
  return `# key ${id}\nAWS_BEARER_TOKEN_BEDROCK=${key}`;
}

async function putBudget(scene: Scene): Promise<string> {
  const scope = await scopeOf(scene);
  const limit = Number(scene.args.value("limit")?.replace(/^\$/, "") || Number.NaN);
  const period = PERIODS.find((one) => one === scene.args.value("period"));
  if (!(limit >= 0)) throw new MohoError("invalid_request", "--limit takes dollars, for example 20.");
  if (!period) throw new MohoError("invalid_request", `--period takes ${PERIODS.join(", ")}.`);
  const owner = scene.args.value("owner");
  await scene.ledger.putBudget({
    scope,
    limit: usdToNano(limit),
    period,
    ...(owner !== undefined && { owner }),
  });
  return `budget ${scope}: ${formatUsd(usdToNano(limit))} ${period}`;
}

async function removeBudget(scene: Scene): Promise<string> {
  const scope = await scopeOf(scene);
  await scene.ledger.removeBudget(scope);
  return `removed the budget of ${scope}`;
}

/** `principal/alice` stands for the scope of her ARN; a scope that nothing is counted in is refused. */
async function scopeOf(scene: Scene): Promise<string> {
  const scope = word(scene, 0, "scope");
  const name = /^principal\/([^:/]+)$/.exec(scope)?.[1];
  if (name !== undefined) {
    const found = (await scene.administration.listPrincipals()).find((one) => one.name === name);
    if (!found) throw new MohoError("not_found", `There is no principal "${name}".`);
    return `principal/${found.arn}`;
  }
  if (scope === "organization" || /^(project|principal|key)\/.+/.test(scope)) return scope;
  throw new MohoError("invalid_request", `"${scope}" is no scope.`, {
    next: "Use organization, project/ID, principal/NAME or key/ID.",
  });
}

async function list({ administration, ledger }: Scene): Promise<string> {
  const lines: string[] = [];
  const keys = await administration.listKeys();
  for (const user of await administration.listPrincipals()) {
    lines.push(`${user.name}${user.enabled ? "" : " (disabled)"}  ${user.arn}`);
    lines.push(`  policies: ${user.policies.join(", ") || "none"}`);
    for (const key of keys.filter(({ principal }) => principal === user.name))
      lines.push(`  ${key.kind} ${key.id}${key.enabled ? "" : " (disabled)"}`);
  }
  for (const budget of await ledger.budgets(Date.now())) {
    const used = `${formatUsd(budget.settled)} spent, ${formatUsd(budget.reserved)} reserved`;
    lines.push(`budget ${budget.scope}: ${used} of ${formatUsd(budget.limit)} ${budget.period}`);
  }
  return lines.length === 0 ? "nothing yet" : lines.join("\n");
}
