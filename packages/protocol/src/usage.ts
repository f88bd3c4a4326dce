/** Tokens of one or more model calls, in disjoint buckets: their sum is the total. */

export interface Usage {
  /** Input tokens charged at the full input price. */
  input: number;
  /** Input tokens read from the provider's prompt cache. */
  cacheRead: number;
  /** Input tokens written to the provider's prompt cache. */
  cacheWrite: number;
  /** Visible output tokens. */
  output: number;
  /** Hidden reasoning tokens, charged as output. */
  reasoning: number;
}

export const NO_USAGE: Readonly<Usage> = Object.freeze({
  input: 0,
  cacheRead: 0,
  cacheWrite: 0,
  output: 0,
  reasoning: 0,
});

export function addUsage(a: Readonly<Usage>, b: Readonly<Usage>): Usage {
  return {
    input: a.input + b.input,
    cacheRead: a.cacheRead + b.cacheRead,
    cacheWrite: a.cacheWrite + b.cacheWrite,
    output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning,
  };
}

export function inputTokens(usage: Readonly<Usage>): number {
  return usage.input + usage.cacheRead + usage.cacheWrite;
}

export function outputTokens(usage: Readonly<Usage>): number {
  return usage.output + usage.reasoning;
}

export function totalTokens(usage: Readonly<Usage>): number {
  return inputTokens(usage) + outputTokens(usage);
}
