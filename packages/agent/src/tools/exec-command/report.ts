/** What a model reads after it waited for a command. */

import { MAX_OUTPUT_TOKENS, type Session } from "../../sessions.ts";

/** Takes the session's new output, at most `maxTokens` of it. */
export function report(session: Session, waitedMs: number, maxTokens: number | undefined): string {
  const { text, tokens } = session.take(
    Math.max(1, Math.min(maxTokens ?? MAX_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS)),
  );
  return [
    `Wall time: ${(waitedMs / 1000).toFixed(1)} seconds`,
    stateOf(session),
    `Original token count: ${tokens}`,
    "Output:",
    text,
  ].join("\n");
}

function stateOf({ id, end }: Session): string {
  if (!end) return `Process running with session ID ${id}`;
  if (end.error !== undefined) return `Process not started: ${end.error}`;
  if (end.signal !== null) return `Process ended by ${end.signal}`;
  return `Process exited with code ${end.code}`;
}
