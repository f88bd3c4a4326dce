/**
 * Reasoning that only the model which wrote it can open: Anthropic's signatures and redacted blocks, and OpenAI's
 * `encrypted_content`. Each is replayed unmodified, and only to a dialect that knows it: a foreign one is an error there.
 * In the hub Anthropic's stand in `encrypted_content` behind a mark; in a Messages body OpenAI's stand in `signature`
 * behind another.
 */

const THINKING = "moho.thinking.";
const REDACTED = "moho.redacted.";
const FOREIGN = "moho.sealed.";

export type Seal =
  /** An Anthropic `thinking` block (Converse: `reasoningText`) with this signature. */
  | { kind: "thinking"; signature: string }
  /** An Anthropic `redacted_thinking` block (Converse: `redactedContent`). */
  | { kind: "redacted"; data: string }
  /** Sealed by another family of models. */
  | { kind: "foreign"; data: string };

/** What a reasoning item's `encrypted_content` is. */
export function openSeal(encrypted: string): Seal {
  if (encrypted.startsWith(THINKING))
    return { kind: "thinking", signature: encrypted.slice(THINKING.length) };
  if (encrypted.startsWith(REDACTED)) return { kind: "redacted", data: encrypted.slice(REDACTED.length) };
  return { kind: "foreign", data: encrypted };
}

/** `encrypted_content` for a `thinking` block's signature. */
export function sealThinking(signature: string): string {
  return signature.startsWith(FOREIGN) ? signature.slice(FOREIGN.length) : THINKING + signature;
}

/** `encrypted_content` for a `redacted_thinking` block's data. */
export function sealRedacted(data: string): string {
  return REDACTED + data;
}

/** The signature under which a Messages client keeps what another family sealed. */
export function foreignSignature(data: string): string {
  return FOREIGN + data;
}
