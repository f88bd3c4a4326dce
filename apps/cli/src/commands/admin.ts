/** `moho admin`: principals, policies, keys and budgets of a gateway's database, also while the gateway runs. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Administration, KeyInfo } from "@moho/access";
import { formatUsd, MohoError, usdToNano } from "@moho/protocol";
import type { Ledger, Period } from "@moho/store";
import type { Arguments, Command } from "../command.ts";
import { composeStore } from "../compose/gateway.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { type GatewayConfig, readGatewayConfig } from "./gateway/config.ts";

interface Scene {
  context: Context;
  args: Arguments;
  administration: Administration;
  ledger: Ledger;
  config: GatewayConfig;
  /** What follows the two words of the verb. */
  rest: string[];
}

/** Every verb: its words, how it is used, what it does. What it returns is printed. */
const VERBS: Record<string, { usage: string; run(scene: Scene): Promise<string> }> = {
  "user create": { usage: "user create NAME", run: createUser },
  "user disable": { usage: "user disable NAME", run: (scene) => enableUser(scene, false) },
  "user enable": { usage: "user enable NAME", run: (scene) => enableUser(scene, true) },
  "policy put": { usage: "policy put NAME FILE", run: putPolicy },
  "policy list": { usage: "policy list", run: listPolicies },
  "policy show": { usage: "policy show NAME", run: showPolicy },
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
  notes: [
    "SCOPE of a budget: organization (everybody together), project/ID, principal/NAME (one user), or key/ID (one key).\n" +
      "A call must fit into the budget of every scope that it belongs to.",
  ],
  async run(context, args) {
    const [noun = "", verb = "", ...rest] = args.positionals;
    const row = VERBS[`${noun} ${verb}`];
    if (!row && noun !== "list")
      throw new MohoError("invalid_request", `moho admin knows no "${`${noun} ${verb}`.trim()}".`, {
        next: "See `moho admin --help`.",
      });
    const file = args.value("config");
    if (file === undefined)
      throw new MohoError("invalid_request", "moho admin needs --config FILE.", {
        next: "Give the file that `moho gateway --config` is started with.",
      });
    const config = await readGatewayConfig(resolve(context.cwd, file));
    const { store, access } = await composeStore(config);
    try {
      const scene = {
        context,
        args,
        administration: access.administration,
        ledger: store.ledger,
        config,
        rest,
      };
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
  const name = word(scene, 0, "user's name");
  if (await findUser(scene, name))
    throw new MohoError("conflict", `There is a user "${name}" already.`, {
      next: "Choose another name, or look at `moho admin list`.",
    });
  const { arn } = await scene.administration.createPrincipal({ name });
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
  const found = await findUser(scene, user);
  if (found && !found.policies.includes(policy))
    throw new MohoError("not_found", `The policy "${policy}" is not attached to ${user}.`, {
      next: `Attached: ${found.policies.join(", ") || "none"}.`,
    });
  await scene.administration.detachPolicy(user, policy);
  return `detached ${policy} from ${user}`;
}

async function listPolicies({ administration }: Scene): Promise<string> {
  const users = await administration.listPrincipals();
  const lines = (await administration.listPolicies()).map(({ name }) => {
    const holders = users.filter(({ policies }) => policies.includes(name)).map((user) => user.name);
    return `${name}  ${holders.length === 0 ? "attached to nobody" : `attached to ${holders.join(", ")}`}`;
  });
  return lines.join("\n") || "no policies yet";
}

async function showPolicy(scene: Scene): Promise<string> {
  const name = word(scene, 0, "policy's name");
  const found = (await scene.administration.listPolicies()).find((policy) => policy.name === name);
  if (found) return JSON.stringify(found.document, null, 2);
  throw new MohoError("not_found", `There is no policy "${name}".`, {
    next: "See `moho admin policy list`.",
  });
}

async function findUser({ administration }: Scene, name: string) {
  return (await administration.listPrincipals()).find((user) => user.name === name);
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
  const scope = await scopeOf(scene, word(scene, 0, "scope"));
  await assertExists(scene, scope);
  const limit = Number(scene.args.value("limit")?.replace(/^\$/, "") || Number.NaN);
  const period = PERIODS.find((one) => one === scene.args.value("period"));
  if (!(limit >= 0))
    throw new MohoError("invalid_request", "--limit takes dollars from 0, for example 20 or 0.50.");
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
  const scope = await scopeOf(scene, word(scene, 0, "scope"));
  if ((await scene.ledger.budgets(Date.now(), [scope])).length === 0)
    throw new MohoError("not_found", `The scope ${scope} has no budget.`, { next: "See `moho admin list`." });
  await scene.ledger.removeBudget(scope);
  return `removed the budget of ${scope}`;
}

/** `principal/alice` stands for the scope of her ARN; a scope that nothing is counted in is refused. */
async function scopeOf(scene: Scene, scope: string): Promise<string> {
  const name = /^principal\/([^:/]+)$/.exec(scope)?.[1];
  if (name !== undefined) {
    const found = await findUser(scene, name);
    if (!found) throw new MohoError("not_found", `There is no user "${name}".`, { next: SEE_LIST });
    return `principal/${found.arn}`;
  }
  if (scope === "organization" || /^(project|principal|key)\/.+/.test(scope)) return scope;
  throw new MohoError("invalid_request", `"${scope}" is no scope.`, {
    next: "Use organization, project/ID, principal/NAME or key/ID.",
  });
}

const SEE_LIST = "See `moho admin list`.";

/** A budget for something that does not exist would watch over nothing. */
async function assertExists({ administration, config }: Scene, scope: string): Promise<void> {
  const [kind, id] = [scope.slice(0, scope.indexOf("/")), scope.slice(scope.indexOf("/") + 1)];
  const known: Record<string, () => Promise<boolean>> = {
    key: async () => (await administration.listKeys()).some((key) => key.id === id),
    principal: async () => (await administration.listPrincipals()).some((user) => user.arn === id),
    project: async () => ["default", ...config.projects].includes(id),
  };
  if ((await known[kind]?.()) !== false) return;
  const next = kind === "project" ? "Add it to `projects` in the gateway's file first." : SEE_LIST;
  throw new MohoError("not_found", `There is no ${kind} "${id}".`, { next });
}

async function list({ administration, ledger }: Scene): Promise<string> {
  const lines: string[] = [];
  const keys = await administration.listKeys();
  const users = await administration.listPrincipals();
  for (const user of users) {
    lines.push(`${user.name}${user.enabled ? "" : " (disabled)"}  ${user.arn}`);
    lines.push(`  policies: ${user.policies.join(", ") || "none"}`);
    for (const key of keys.filter(({ principal }) => principal === user.name))
      lines.push(`  ${keyLine(key)}`);
  }
  const attached = new Set(users.flatMap(({ policies }) => policies));
  for (const { name } of await administration.listPolicies())
    if (!attached.has(name)) lines.push(`policy ${name}: attached to nobody`);
  for (const budget of await ledger.budgets(Date.now())) {
    const used = `${formatUsd(budget.settled)} spent, ${formatUsd(budget.reserved)} reserved`;
    const owner = budget.owner === undefined ? "" : `, owner ${budget.owner}`;
    lines.push(`budget ${budget.scope}: ${used} of ${formatUsd(budget.limit)} ${budget.period}${owner}`);
  }
  return lines.length === 0 ? "nothing yet" : lines.join("\n");
}

function keyLine({ kind, id, enabled, expiresAt }: KeyInfo): string {
  const off = enabled ? "" : " (disabled)";
  if (expiresAt === undefined) return `${kind} ${id}${off}`;
  const when = new Date(expiresAt).toISOString();
  return `${kind} ${id}${off} (${expiresAt <= Date.now() ? "EXPIRED" : "expires"} ${when})`;
}
