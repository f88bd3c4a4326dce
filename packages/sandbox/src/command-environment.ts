/**
 * The environment variables of a command: pure. Keys follow Codex's `shell_environment_policy`; unlike there,
 * names that look like secrets are dropped by default, and credentials of model providers always.
 */

export interface EnvironmentPolicy {
  /** Where to start: everything (default), the few names a shell needs, or nothing. */
  inherit?: "all" | "core" | "none";
  /** Keeps inherited names that look like secrets, except provider credentials. Default false. */
  ignoreDefaultExcludes?: boolean;
  /** Names to drop: `*` and `?` patterns, without case. */
  exclude?: readonly string[];
  /** Values to set, after everything was dropped. */
  set?: Readonly<Record<string, string>>;
  /** When not empty, only matching names remain. */
  includeOnly?: readonly string[];
}

export interface CommandMarkers {
  threadId?: string;
  toolCallId?: string;
  /** The command runs without a network. */
  networkDisabled?: boolean;
}

const CORE = (
  "HOME LANG LC_* LOGNAME PATH PWD SHELL SHLVL TEMP TERM TMP TMPDIR TZ USER USERNAME " +
  "SYSTEMROOT WINDIR COMSPEC PATHEXT USERPROFILE APPDATA LOCALAPPDATA"
).split(" ");

const SECRET_NAME = /KEY|SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL/i;

/** Names that reach a model provider or Moho itself; a region is none. `MOHO_*` is set anew below. */
const PROVIDER_NAME =
  /^(AWS_(?!(REGION|DEFAULT_REGION)$)|MOHO_|OPENAI_API_KEY$|ANTHROPIC_(API_KEY|AUTH_TOKEN)$|CODEX_API_KEY$)/i;

/** Values shorter than this are no secrets: dropping what contains them would drop at random. */
const SHORTEST_SECRET = 8;

/** Nothing here waits for a person or paints. */
const CALM = {
  NO_COLOR: "1",
  TERM: "dumb",
  PAGER: "cat",
  GIT_PAGER: "cat",
  GH_PAGER: "cat",
  GIT_TERMINAL_PROMPT: "0",
};

/**
 * The whole environment of a command. No name of a provider credential and no value containing one of `secrets`
 * is ever in it, whatever the policy says.
 */
export function commandEnvironment(
  parent: Readonly<Record<string, string | undefined>>,
  policy: EnvironmentPolicy = {},
  markers: CommandMarkers = {},
  secrets: readonly string[] = [],
): Record<string, string> {
  const names = (patterns: readonly string[]) => matcher(patterns);
  const core = names(CORE);
  const excluded = names(policy.exclude ?? []);
  const included = names(policy.includeOnly ?? []);
  const known = secrets.filter((secret) => secret.length >= SHORTEST_SECRET);
  const keepInherited = (name: string): boolean => {
    if (policy.inherit === "none" || (policy.inherit === "core" && !core(name))) return false;
    return (policy.ignoreDefaultExcludes === true || !SECRET_NAME.test(name)) && !excluded(name);
  };
  const safe = (name: string, value: string): boolean =>
    !PROVIDER_NAME.test(name) && !known.some((secret) => value.includes(secret));
  const inherited = Object.entries(parent).filter(([name]) => keepInherited(name));
  const chosen = Object.entries({ ...Object.fromEntries(inherited), ...CALM, ...policy.set }).filter(
    ([name]) => (policy.includeOnly ?? []).length === 0 || included(name) || name in CALM,
  );
  const clean = chosen.filter(
    (entry): entry is [string, string] => entry[1] !== undefined && safe(entry[0], entry[1]),
  );
  return { ...Object.fromEntries(clean), ...marked(markers) };
}

function marked({ threadId, toolCallId, networkDisabled }: CommandMarkers): Record<string, string> {
  return {
    MOHO: "1",
    ...(threadId === undefined ? {} : { MOHO_THREAD_ID: threadId }),
    ...(toolCallId === undefined ? {} : { MOHO_TOOL_CALL_ID: toolCallId }),
    ...(networkDisabled ? { MOHO_SANDBOX_NETWORK_DISABLED: "1" } : {}),
  };
}

function matcher(patterns: readonly string[]): (name: string) => boolean {
  const expressions = patterns.map((pattern) => {
    const source = pattern
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", ".*")
      .replaceAll("?", ".");
    return new RegExp(`^${source}$`, "i");
  });
  return (name) => expressions.some((expression) => expression.test(name));
}
