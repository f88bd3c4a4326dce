/** What must hold for any policies and any request; seeded, so a failure repeats. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that.

import {
  compilePolicy,
  evaluate,
  type Layer,
  type PolicyDocument,
  parsePolicy,
  type Statement,
} from "@moho/access";
import { describe, expect, it } from "vitest";
import { seededRandom } from "./setting.ts";

const ROUNDS = 2000;
const ACTIONS = ["bedrock-mantle:CreateInference", "bedrock-mantle:GetInference", "bedrock:InvokeModel"];
const RESOURCES = [
  "arn:aws:bedrock-mantle:us-east-1:1:project/a",
  "arn:aws:bedrock-mantle:us-east-1:1:project/b",
  "*",
];
const KEYS = ["a:x", "a:y", "aws:TagKeys"];
const VALUES = ["1", "2", "v", "w", "${a:x}", "v*"];
const OPERATORS = [
  "StringEquals",
  "StringNotEquals",
  "StringLikeIfExists",
  "ForAllValues:StringLike",
  "ForAnyValue:StringNotEquals",
  "Null",
  "NumericLessThan",
];

function generator(seed: number) {
  const random = seededRandom(seed);
  const below = (limit: number) => ((random(1)[0]! << 8) | random(1)[0]!) % limit;
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const some = <T>(list: readonly T[]): T[] => Array.from({ length: 1 + below(2) }, () => pick(list));
  const actions = () => some([...ACTIONS, "*", "bedrock-mantle:*", "bedrock:invoke?odel"]);
  const resources = () =>
    some([...RESOURCES, "arn:aws:bedrock-mantle:*:*:project/${a:x}", "arn:aws:bedrock-mantle:*/?"]);
  const condition = () => {
    const operator = pick(OPERATORS);
    const values =
      operator === "Null" ? ["true", "false"] : operator.startsWith("Numeric") ? ["1", "2"] : VALUES;
    return { [operator]: { [pick(KEYS)]: some(values) } };
  };
  const statement = (): Statement => ({
    Effect: pick(["Allow", "Allow", "Deny"] as const),
    ...(below(5) === 0 ? { NotAction: actions() } : { Action: actions() }),
    ...(below(5) === 0 ? { NotResource: resources() } : { Resource: resources() }),
    ...(below(2) === 0 ? { Condition: condition() } : {}),
  });
  const statements = () => Array.from({ length: 1 + below(4) }, statement);
  const question = () => {
    const context = new Map<string, string[]>();
    for (const key of KEYS)
      if (below(3) > 0) context.set(key.toLowerCase(), below(6) === 0 ? [] : some(["1", "v", "a", "vw"]));
    return { action: pick(ACTIONS), resource: pick(RESOURCES), lookup: (key: string) => context.get(key) };
  };
  const shuffle = <T>(list: readonly T[]): T[] =>
    list
      .map((value) => ({ value, at: below(65_536) }))
      .sort((a, b) => a.at - b.at)
      .map(({ value }) => value);
  return { below, statement, statements, question, shuffle, pick };
}

const identity = (...lists: Statement[][]): Layer[] => [
  {
    kind: "identity-based policy",
    policies: lists.map((Statement, i) => {
      const document: PolicyDocument = { Version: "2012-10-17", Statement };
      return compilePolicy(`p${i}`, parsePolicy(document));
    }),
  },
];
const EVERYTHING: Statement = { Effect: "Allow", Action: "*", Resource: "*" };
const NOTHING: Statement = { Effect: "Deny", Action: "*", Resource: "*" };

describe("evaluation", () => {
  it("an explicit deny always wins", () => {
    const { statements, question, shuffle } = generator(1);
    for (let round = 0; round < ROUNDS; round++) {
      const layers = identity(shuffle([...statements(), EVERYTHING, NOTHING]), statements());
      expect(evaluate(layers, question()).reason).toBe("explicit-deny");
    }
  });

  it("adding a deny never widens, adding an allow never narrows", () => {
    const { statement, statements, question } = generator(2);
    let changed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const list = statements();
      const asked = question();
      const before = evaluate(identity(list), asked);
      const withDeny = evaluate(identity(list, [{ ...statement(), Effect: "Deny" }]), asked);
      if (before.effect === "deny") expect(withDeny.effect).toBe("deny");
      const withAllow = evaluate(identity(list, [{ ...statement(), Effect: "Allow" }]), asked);
      if (before.effect === "allow") expect(withAllow.effect).toBe("allow");
      if (before.reason === "explicit-deny") expect(withAllow.reason).toBe("explicit-deny");
      if (before.effect !== withDeny.effect || before.effect !== withAllow.effect) changed++;
    }
    expect(changed).toBeGreaterThan(ROUNDS / 20);
  });

  it("order never matters, nor how statements are spread over policies", () => {
    const { statements, question, shuffle, below } = generator(3);
    const seen = new Set<string>();
    for (let round = 0; round < ROUNDS; round++) {
      const list = statements();
      const asked = question();
      const { reason } = evaluate(identity(list), asked);
      const mixed = shuffle(list);
      const cut = below(mixed.length + 1);
      const parts = [mixed.slice(0, cut), mixed.slice(cut)].filter((part) => part.length > 0);
      expect(evaluate(identity(...parts), asked).reason).toBe(reason);
      seen.add(reason);
    }
    expect([...seen].sort()).toEqual(["allowed", "explicit-deny", "implicit-deny"]);
  });

  it("a further layer never widens, and its silence is named", () => {
    const { statements, question } = generator(4);
    for (let round = 0; round < ROUNDS; round++) {
      const layers = identity(statements());
      const asked = question();
      const alone = evaluate(layers, asked);
      const boundary: Layer = { kind: "permissions boundary", policies: identity(statements())[0]!.policies };
      const scp: Layer = { kind: "service control policy", policies: identity(statements())[0]!.policies };
      const bounded = evaluate([scp, ...layers, boundary], asked);
      if (alone.effect === "deny") expect(bounded.effect).toBe("deny");
      expect(evaluate([...layers, { kind: "session policy", policies: [] }], asked).effect).toBe("deny");
      const open = identity([EVERYTHING])[0]!.policies;
      expect(evaluate([{ kind: "service control policy", policies: open }, ...layers], asked).reason).toBe(
        alone.reason,
      );
    }
    const question1 = question();
    expect(
      evaluate([...identity([EVERYTHING]), { kind: "session policy", policies: [] }], question1),
    ).toEqual({
      effect: "deny",
      reason: "implicit-deny",
      layer: "session policy",
    });
  });
});

describe("wildcards", () => {
  it("match what the same regular expression matches", () => {
    const { below, pick } = generator(5);
    const text = (alphabet: readonly string[], length: number) =>
      Array.from({ length: below(length) }, () => pick(alphabet)).join("");
    for (let round = 0; round < ROUNDS * 5; round++) {
      const pattern = `arn:aws:s3:::${text(["a", "b", "*", "?", "*"], 9)}`;
      const resource = `arn:aws:s3:::${text(["a", "b", "a", ":"], 9)}`;
      const expression = new RegExp(`^${pattern.replaceAll("*", "[^]*").replaceAll("?", "[^]")}$`);
      const layers = identity([{ Effect: "Allow", Action: "*", Resource: pattern }]);
      const { effect } = evaluate(layers, { action: "s3:x", resource, lookup: () => undefined });
      expect(effect === "allow", `${pattern} ${resource}`).toBe(expression.test(resource));
    }
  });

  it("a pattern of many stars against long text is answered without going back", () => {
    const pattern = `arn:aws:s3:::${"a*".repeat(500)}b`;
    const layers = identity([{ Effect: "Allow", Action: "*", Resource: pattern }]);
    const resource = `arn:aws:s3:::${"a".repeat(20_000)}`;
    expect(evaluate(layers, { action: "s3:x", resource, lookup: () => undefined }).effect).toBe("deny");
    const holes = identity([
      { Effect: "Allow", Action: "*", Resource: `arn:aws:s3:::*${"?".repeat(500)}a*b` },
    ]);
    expect(evaluate(holes, { action: "s3:x", resource, lookup: () => undefined }).effect).toBe("deny");
  });
});
