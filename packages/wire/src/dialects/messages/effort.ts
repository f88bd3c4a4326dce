/** Reasoning effort, as OpenAI's word and as Anthropic's budget of thinking tokens. */

/** Tokens for each word; Anthropic takes no budget below 1,024. */
const BUDGETS = [
  ["minimal", 1024],
  ["low", 4096],
  ["medium", 16_384],
  ["high", 32_768],
  ["xhigh", 65_536],
] as const;

export const LEAST_BUDGET = 1024;

/** The word whose budget is nearest from above. */
export function effortOfBudget(tokens: number): string {
  return (BUDGETS.find(([, budget]) => tokens <= budget) ?? BUDGETS.at(-1)!)[0];
}

/** `undefined` for `none`; an unknown word counts as `medium`. */
export function budgetOfEffort(effort: string): number | undefined {
  if (effort === "none") return undefined;
  return BUDGETS.find(([word]) => word === effort)?.[1] ?? 16_384;
}

/** Anthropic's word; `undefined` for `none`. */
export function anthropicEffort(effort: string): string | undefined {
  if (effort === "none") return undefined;
  return effort === "minimal" ? "low" : effort;
}
