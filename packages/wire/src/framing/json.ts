/** Parsing outside JSON: malformed text is an answer here, not an exception. */

/** The parsed value, or `undefined` (which JSON cannot express) when `text` is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The value as an object to read members from; anything else has none. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
