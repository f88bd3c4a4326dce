/** Policy documents compiled once, so that a decision parses nothing. */

import { MohoError } from "@moho/protocol";
import {
  type ConditionValue,
  listOf,
  type PolicyDocument,
  parseOperator,
  type Statement,
} from "./document.ts";
import { type Comparison, OPERATORS } from "./operators.ts";
import { compilePattern, type Lookup, type Matcher } from "./pattern.ts";

export interface CompiledStatement {
  /** The policy's name, the statement's `Sid`, its place in the document. */
  name: { policy: string; sid?: string; index: number };
  effect: "Allow" | "Deny";
  /** `action` in lower case. */
  applies(action: string, resource: string, lookup: Lookup): boolean;
}

export interface CompiledPolicy {
  name: string;
  statements: readonly CompiledStatement[];
}

type Condition = (lookup: Lookup) => boolean;

/** Compiles a validated document (see {@link parsePolicy}). */
export function compilePolicy(name: string, document: PolicyDocument): CompiledPolicy {
  const variables = document.Version === "2012-10-17";
  const statements = listOf(document.Statement).map((statement, index) => {
    const action = compileActions(statement);
    const resource = compileResources(statement, variables);
    const conditions = compileConditions(statement, variables);
    return {
      name: { policy: name, ...(statement.Sid ? { sid: statement.Sid } : {}), index },
      effect: statement.Effect,
      applies: (wanted: string, target: string, lookup: Lookup) =>
        action(wanted) && resource(target, lookup) && conditions.every((holds) => holds(lookup)),
    };
  });
  return { name, statements };
}

/** Action names know no case; policy variables do not work in them. */
function compileActions(statement: Statement): (action: string) => boolean {
  const patterns = listOf(statement.Action ?? statement.NotAction);
  const negated = statement.Action === undefined;
  if (patterns.includes("*")) return () => !negated;
  const exact = new Set(patterns.filter((text) => !/[*?]/.test(text)).map((text) => text.toLowerCase()));
  const globs = patterns
    .filter((text) => /[*?]/.test(text))
    .map((text) => compilePattern(text.toLowerCase(), { wildcards: true, variables: false }));
  return (action) => (exact.has(action) || globs.some((matches) => matches(action, nothing))) !== negated;
}

/**
 * A pattern whose variable the request cannot resolve matches nothing. Under `NotResource` it leaves open what is
 * excepted, so an Allow then does not apply and a Deny does.
 */
function compileResources(
  statement: Statement,
  variables: boolean,
): (target: string, lookup: Lookup) => boolean {
  const patterns = listOf(statement.Resource ?? statement.NotResource);
  const negated = statement.Resource === undefined;
  if (patterns.includes("*")) return () => !negated;
  const matchers = patterns.map((text) => compilePattern(text, { wildcards: true, variables }));
  const matches = (matcher: Matcher, target: string, lookup: Lookup) => matcher(target, lookup);
  if (!negated) return (target, lookup) => matchers.some((one) => matches(one, target, lookup) === true);
  const open = statement.Effect === "Allow";
  return (target, lookup) => !matchers.some((one) => matches(one, target, lookup) ?? open);
}

function compileConditions(statement: Statement, variables: boolean): Condition[] {
  const conditions: Condition[] = [];
  for (const [operator, keys] of Object.entries(statement.Condition ?? {}))
    for (const [key, values] of Object.entries(keys))
      conditions.push(
        compileCondition(operator, key.toLowerCase(), listOf<ConditionValue>(values), variables),
      );
  return conditions;
}

/**
 * One operator on one key. Policy values are alternatives; under a negated operator none of them may match. A key the
 * request lacks fails a positive operator, passes a negated one, `…IfExists` and `ForAllValues`, and fails `ForAnyValue`.
 */
function compileCondition(
  name: string,
  key: string,
  expected: readonly ConditionValue[],
  variables: boolean,
): Condition {
  const { set, base, ifExists } = parseOperator(name);
  if (base === "Null") {
    const absent = expected.some((value) => String(value).toLowerCase() === "true");
    const present = expected.some((value) => String(value).toLowerCase() === "false");
    return (lookup) => (isAbsent(lookup(key)) ? absent : present);
  }
  const { negated, compile } = OPERATORS[base]!;
  const comparisons = expected.map((value) => checked(compile(String(value), variables)));
  const passes = (actual: string, lookup: Lookup) =>
    comparisons.some((compare) => compare(actual, lookup)) !== negated;
  const whenAbsent = ifExists || (set === undefined ? negated : set === "all");
  return (lookup) => {
    const actual = lookup(key);
    if (actual === undefined || actual.length === 0) return whenAbsent;
    const every = set === undefined ? negated : set === "all";
    return every ? actual.every((one) => passes(one, lookup)) : actual.some((one) => passes(one, lookup));
  };
}

function isAbsent(values: readonly string[] | undefined): boolean {
  return values === undefined || values.length === 0;
}

function checked(compiled: Comparison | { problem: string }): Comparison {
  if ("problem" in compiled)
    throw new MohoError("internal", `A stored policy is invalid: ${compiled.problem}`);
  return compiled;
}

const nothing: Lookup = () => undefined;
