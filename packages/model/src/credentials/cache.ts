/**
 * Credentials for each request: taken from the one configured source, kept until shortly before they expire or
 * their file changes, refreshed once for all callers of this and every other process, and always the same principal.
 */

import { createHash } from "node:crypto";
import { MohoError } from "@moho/protocol";
import { runCommand } from "./command.ts";
import { exclusively } from "./exclusive.ts";
import { isFixed, isShared, loadSource } from "./load.ts";
import { assertSamePrincipal, type Holding, principalBehind } from "./principal.ts";
import { type Profiles, readProfiles } from "./profiles.ts";
import { explainRefusal } from "./refusal.ts";
import { chooseRegion } from "./region.ts";
import { GET_CREDENTIALS, isStatic, listSources, needsProfiles, type Source } from "./sources.ts";
import type { Auth, CommandSettings, CredentialSettings, Credentials, CredentialWorld } from "./types.ts";

const REFRESH_BEFORE_MS = 300_000;
/** Keys that seem to end sooner, by a wrong clock perhaps, are still used this long before asking again. */
const LEAST_USE_MS = 60_000;
const TRY_AGAIN_MS = 30_000;
const ASK_AFTER_MS = 2_000;
const LOGIN_TIMEOUT_MS = 300_000;
const HALF_WRITTEN_MS = 150;

/** The credentials that `settings` mean in `world`. Nothing is read before the first request. */
export function createCredentials(settings: CredentialSettings, world: CredentialWorld): Credentials {
  return new CredentialCache(settings, world);
}

/** The same authorisation for ever: keys or a token from elsewhere, or none at all. */
export function fixedCredentials(auth: Auth): Credentials {
  return {
    current: async () => auth,
    renew: async () => undefined,
    explainRefusal: async () => `The credentials in use came from ${auth.source}.`,
  };
}

class CredentialCache implements Credentials {
  readonly #settings: CredentialSettings;
  readonly #world: CredentialWorld;
  #profiles: Profiles | undefined;
  #held: Holding | undefined;
  #obtaining: Promise<Holding> | undefined;
  /** Refused, and a renewal brought nothing else. */
  #stubborn: { auth: Auth; until: number } | undefined;

  constructor(settings: CredentialSettings, world: CredentialWorld) {
    this.#settings = settings;
    this.#world = world;
  }

  async current(signal?: AbortSignal): Promise<Auth> {
    await this.#readFiles();
    const before = this.#held;
    const unchanged = before?.fingerprint === this.#fingerprint;
    if (before && unchanged && this.#world.now() < before.refreshAt) return before.auth;
    try {
      return (await whileWanted(this.#obtainOnce(undefined), signal)).auth;
    } catch (error) {
      const mayStay = before && unchanged && this.#world.now() < before.expiresAt && !isFinal(error);
      if (!mayStay) throw error;
      before.refreshAt = this.#world.now() + TRY_AGAIN_MS;
      return before.auth;
    }
  }

  async renew(refused: Auth, signal?: AbortSignal): Promise<Auth | undefined> {
    const held = this.#held;
    if (held && !sameAuth(held.auth, refused)) return held.auth;
    if (held && isFixed(held.source)) return undefined;
    const stubborn = this.#stubborn;
    if (stubborn && sameAuth(stubborn.auth, refused) && this.#world.now() < stubborn.until) return undefined;
    const next = await whileWanted(this.#obtainOnce(refused), signal);
    if (!sameAuth(next.auth, refused)) return next.auth;
    this.#stubborn = { auth: refused, until: this.#world.now() + TRY_AGAIN_MS };
    return undefined;
  }

  explainRefusal(auth: Auth): Promise<string> {
    return explainRefusal(auth, this.#settings, this.#world);
  }

  get #fingerprint(): string {
    return this.#profiles?.fingerprint ?? "";
  }

  get #region(): string | undefined {
    return chooseRegion(this.#settings, this.#world.env, this.#profiles, false)?.region;
  }

  async #readFiles(): Promise<void> {
    if (needsProfiles(this.#settings, this.#world.env))
      this.#profiles = await readProfiles(this.#world, this.#profiles);
  }

  /** One at a time; everybody who comes meanwhile gets its result. */
  #obtainOnce(refused: Auth | undefined): Promise<Holding> {
    this.#obtaining ??= this.#obtain(refused).finally(() => {
      this.#obtaining = undefined;
    });
    return this.#obtaining;
  }

  async #obtain(refused: Auth | undefined): Promise<Holding> {
    await this.#readFiles();
    const source = await this.#chooseSource();
    const auth = await this.#load(source, refused);
    const next = holdingOf(auth, source, this.#fingerprint, this.#world.now());
    if (this.#held) await assertSamePrincipal(this.#held, next, this.#world, this.#region);
    else this.#askEarly(next);
    this.#held = next;
    return next;
  }

  /** The source of the first request, for ever after. A file that is just being written gets a second look. */
  async #chooseSource(): Promise<Source> {
    const held = this.#held;
    if (!held) return this.#firstConfigured();
    let source = this.#again(held.source);
    if (source.absent !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, HALF_WRITTEN_MS));
      await this.#readFiles();
      source = this.#again(held.source);
    }
    if (source.absent === undefined) return source;
    throw new MohoError(
      "no_credentials",
      `${source.label}: ${source.absent}. This run started with it and takes no other source.`,
    );
  }

  #firstConfigured(): Source {
    const sources = listSources(this.#settings, this.#world, this.#profiles);
    const source = sources.find(({ absent }) => absent === undefined);
    if (source) return source;
    const tried = sources.map(({ label, absent }) => `${label}: ${absent}`).join("; ");
    throw new MohoError("no_credentials", `No AWS credentials found. Tried: ${tried}.`, {
      next: GET_CREDENTIALS,
    });
  }

  #again(before: Source): Source {
    const sources = listSources(this.#settings, this.#world, this.#profiles);
    const source = sources.find(({ label }) => label === before.label) ?? { ...before, absent: "it is gone" };
    const emptied = before.kind === "profile" && Object.keys(source.profile?.section ?? {}).length === 0;
    return emptied ? { ...source, absent: "the profile is gone" } : source;
  }

  /** From the source; after signing in again, where that is configured and the source has nothing (new). */
  async #load(source: Source, refused: Auth | undefined): Promise<Auth> {
    const request = {
      source,
      settings: this.#settings,
      world: this.#world,
      profiles: this.#profiles,
      region: this.#region,
    };
    if (!isShared(source)) return loadSource(request);
    return exclusively(this.#world.lockFolder, this.#lockName(source), async () => {
      const login = source.kind === "profile" ? this.#settings.aws?.authRefresh : undefined;
      if (!login) return loadSource(request);
      try {
        const auth = await loadSource(request);
        if (!refused || !sameAuth(auth, refused)) return auth;
      } catch (error) {
        if (!(error instanceof MohoError && error.code === "expired_credentials")) throw error;
      }
      await this.#signInAgain(login);
      return loadSource(request);
    });
  }

  async #signInAgain(login: CommandSettings): Promise<void> {
    const { env, notify } = this.#world;
    const label = `model_providers.${this.#settings.provider}.aws.auth_refresh`;
    if (login.command !== "aws")
      throw new MohoError(
        "invalid_config",
        `${label}: \`command\` must be \`aws\`, not \`${login.command}\`.`,
      );
    notify?.("The AWS session has expired. Signing in again…");
    await runCommand(login, {
      env,
      label,
      timeoutMs: login.timeoutMs ?? LOGIN_TIMEOUT_MS,
      onLine: (line) => notify?.(line),
    });
    notify?.("Signed in with AWS.");
  }

  /** Keys that others replace in a file: find out whose they are while they are still valid. */
  #askEarly(holding: Holding): void {
    const { source } = holding;
    if (!this.#world.transport || source.kind !== "profile" || !isStatic(source.profile?.section ?? {}))
      return;
    setTimeout(() => void principalBehind(holding, this.#world, this.#region), ASK_AFTER_MS).unref();
  }

  /** Profiles that share a sign-in share a lock: its refresh token may be presented only once. */
  #lockName(source: Source): string {
    let section = source.profile?.section ?? {};
    for (let depth = 0; depth < 5 && section["source_profile"]; depth++)
      section = this.#profiles?.profiles.get(section["source_profile"]) ?? {};
    const subject =
      section["sso_session"] ?? section["sso_start_url"] ?? section["login_session"] ?? source.label;
    return createHash("sha256").update(subject).digest("hex").slice(0, 16);
  }
}

function holdingOf(auth: Auth, source: Source, fingerprint: string, now: number): Holding {
  if (auth.kind !== "sigv4") {
    const expiresAt = (auth.kind === "bearer" ? auth.expiresAt : undefined) ?? Number.POSITIVE_INFINITY;
    return { auth, source, fingerprint, expiresAt, refreshAt: expiresAt };
  }
  const expiresAt = auth.credentials.expiration ?? Number.POSITIVE_INFINITY;
  const refreshAt = Math.max(expiresAt - REFRESH_BEFORE_MS, now + LEAST_USE_MS);
  return { auth, source, fingerprint, expiresAt, refreshAt };
}

function sameAuth(a: Auth, b: Auth): boolean {
  if (a === b) return true;
  if (a.kind === "bearer" && b.kind === "bearer") return a.token === b.token;
  if (a.kind !== "sigv4" || b.kind !== "sigv4") return false;
  const [x, y] = [a.credentials, b.credentials];
  return (
    x.accessKeyId === y.accessKeyId &&
    x.secretAccessKey === y.secretAccessKey &&
    x.sessionToken === y.sessionToken
  );
}

/** Failures that no earlier credentials may paper over. */
function isFinal(error: unknown): boolean {
  return error instanceof MohoError && (error.code === "principal_changed" || error.code === "interrupted");
}

/** The shared work goes on for the others when one caller leaves. */
function whileWanted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(new MohoError("interrupted", "Stopped while waiting for credentials."));
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
