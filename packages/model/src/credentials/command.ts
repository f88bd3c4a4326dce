/** Runs the programs that users configure for credentials: token printers, credential exporters, login helpers. */

import { isAbsolute } from "node:path";
import type { AwsCredentials } from "@moho/aws";
import { MohoError } from "@moho/protocol";
import type { CommandSettings, CredentialWorld } from "./types.ts";

const MAX_OUTPUT_BYTES = 64 * 1024;
const EXPORT_LIFE_MS = 3_600_000;

interface RunOptions {
  env: CredentialWorld["env"];
  /** The setting's name; for messages. */
  label: string;
  timeoutMs: number;
  /** Standard output and error line by line; without it error output is dropped. */
  onLine?: (line: string) => void;
}

/**
 * The standard output of a program run without a shell and without input. Throws `no_credentials` when it
 * cannot be started, fails, takes too long or prints more than 64 KiB. Its output is a secret: no message carries it.
 */
export async function runCommand(settings: CommandSettings, options: RunOptions): Promise<string> {
  const { command } = settings;
  if (!isAbsolute(command) && /[\\/]/.test(command) && settings.cwd === undefined)
    throw new MohoError(
      "invalid_config",
      `${options.label}: \`${command}\` must be absolute or a bare name.`,
    );
  const outcome = await run(settings, options);
  if (outcome.stdout !== undefined) return outcome.stdout;
  throw new MohoError("no_credentials", `${options.label}: \`${command}\` ${outcome.problem}.`);
}

async function run(
  settings: CommandSettings,
  options: RunOptions,
): Promise<{ stdout: string; problem?: never } | { stdout?: never; problem: string }> {
  const { spawn } = await import("node:child_process");
  return new Promise((resolve) => {
    const child = spawn(settings.command, settings.args ?? [], {
      cwd: settings.cwd,
      env: options.env as Record<string, string>,
      stdio: ["ignore", "pipe", options.onLine ? "pipe" : "ignore"],
      windowsHide: true,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (problem: string | undefined): void => {
      clearTimeout(timer);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve(problem === undefined ? { stdout: Buffer.concat(chunks).toString("utf8") } : { problem });
    };
    const stop = (problem: string): void => {
      child.kill("SIGKILL");
      finish(problem);
    };
    const timer = setTimeout(
      () => stop(`did not finish within ${options.timeoutMs / 1000} s`),
      options.timeoutMs,
    );
    child.stdout?.on("data", (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > MAX_OUTPUT_BYTES) stop(`printed more than ${MAX_OUTPUT_BYTES} bytes`);
    });
    if (options.onLine)
      for (const stream of [child.stdout, child.stderr]) stream && eachLine(stream, options.onLine);
    child.on("error", (error: NodeJS.ErrnoException) =>
      finish(`could not be started (${error.code ?? "unknown"})`),
    );
    child.on("close", (code, signal) =>
      finish(code === 0 ? undefined : `ended with ${signal === null ? `exit code ${code}` : signal}`),
    );
  });
}

function eachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let open = "";
  stream.on("data", (chunk: Buffer) => {
    const lines = (open + chunk.toString("utf8")).split(/\r?\n/);
    open = (lines.pop() ?? "").slice(0, MAX_OUTPUT_BYTES);
    for (const line of lines) onLine(line);
  });
  stream.on("end", () => open !== "" && onLine(open));
}

/** Reads `credential_process` JSON, or the same wrapped in `Credentials` as STS prints it. Throws `no_credentials`. */
export function parseExportedCredentials(text: string, label: string, now: number): AwsCredentials {
  const fail = (problem: string): never => {
    throw new MohoError("no_credentials", `${label}: its output ${problem}.`);
  };
  const printed = asRecord(parseJson(text)) ?? fail("is not a JSON object");
  const fields = asRecord(printed["Credentials"]) ?? printed;
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration, AccountId } = fields;
  if (!isToken(AccessKeyId)) return fail("has no `AccessKeyId`");
  if (!isToken(SecretAccessKey)) return fail("has no `SecretAccessKey`");
  if (SessionToken !== undefined && SessionToken !== null && !isToken(SessionToken))
    return fail("has a `SessionToken` that is not text");
  const expiration = typeof Expiration === "string" ? Date.parse(Expiration) : now + EXPORT_LIFE_MS;
  if (Number.isNaN(expiration)) return fail("has an `Expiration` that is not a time");
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    expiration,
    ...(isToken(SessionToken) && { sessionToken: SessionToken }),
    ...(typeof AccountId === "string" && { accountId: AccountId }),
  };
}

/** A token for an `authorization` header. Throws `no_credentials` when it could break the header. */
export function parseToken(text: string, label: string): string {
  const token = text.trim();
  if (!isToken(token))
    throw new MohoError("no_credentials", `${label}: not one line of printable characters without spaces.`);
  return token;
}

/** Without the parser's message, which would quote the text. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function isToken(value: unknown): value is string {
  return typeof value === "string" && /^[\x21-\x7e]{1,65536}$/.test(value);
}
