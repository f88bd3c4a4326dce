/** Parts `<reasoning>…</reasoning>` from the text behind it, where an endpoint writes both as one (aws-wire §4.5). */

const OPEN = "<reasoning>";
const CLOSE = "</reasoning>";

export interface TaggedText {
  kind: "reasoning" | "text";
  text: string;
}

/** Only tags at the very beginning count: later ones are the model's own words. Tags may be cut anywhere. */
export class ReasoningTags {
  #state: "start" | "reasoning" | "text" = "start";
  /** What may still become a tag. */
  #held = "";

  push(text: string): TaggedText[] {
    if (this.#state === "text") return text === "" ? [] : [{ kind: "text", text }];
    this.#held += text;
    const parts: TaggedText[] = [];
    if (this.#state === "start") {
      const rest = this.#held.trimStart();
      if (rest.length < OPEN.length && OPEN.startsWith(rest)) return [];
      if (!rest.startsWith(OPEN)) return this.end();
      this.#state = "reasoning";
      this.#held = rest.slice(OPEN.length);
    }
    const close = this.#held.indexOf(CLOSE);
    if (close < 0) {
      const cut = this.#held.length - partialTag(this.#held);
      if (cut > 0) parts.push({ kind: "reasoning", text: this.#held.slice(0, cut) });
      this.#held = this.#held.slice(cut);
      return parts;
    }
    if (close > 0) parts.push({ kind: "reasoning", text: this.#held.slice(0, close) });
    this.#held = this.#held.slice(close + CLOSE.length);
    this.#state = "text";
    return [...parts, ...this.end()];
  }

  /** What was held back: no tag can come any more. */
  end(): TaggedText[] {
    const kind = this.#state === "reasoning" ? "reasoning" : "text";
    if (this.#state === "start") this.#state = "text";
    const text = this.#held;
    this.#held = "";
    return text === "" ? [] : [{ kind, text }];
  }
}

/** How many characters at the end may be the beginning of the closing tag. */
function partialTag(text: string): number {
  for (let length = Math.min(CLOSE.length - 1, text.length); length > 0; length--) {
    if (CLOSE.startsWith(text.slice(-length))) return length;
  }
  return 0;
}
