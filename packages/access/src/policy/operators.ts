/** The condition operators of IAM (aws-wire §7.4): how one policy value is compared with one value of the request. */

import { BlockList, isIPv4, isIPv6 } from "node:net";
import { compilePattern, type Lookup, patternProblem } from "./pattern.ts";

/** Compares one value of the request. */
export type Comparison = (actual: string, lookup: Lookup) => boolean;

type Compile = (expected: string, variables: boolean) => Comparison | { problem: string };

export interface Operator {
  /** True when no policy value may match instead of one of them having to. */
  negated: boolean;
  /** A comparison with `expected`, or what is wrong with it. */
  compile: Compile;
}

export const OPERATORS: Readonly<Record<string, Operator>> = Object.freeze({
  StringEquals: { negated: false, compile: text({ wildcards: false }) },
  StringNotEquals: { negated: true, compile: text({ wildcards: false }) },
  StringEqualsIgnoreCase: { negated: false, compile: text({ wildcards: false, ignoreCase: true }) },
  StringNotEqualsIgnoreCase: { negated: true, compile: text({ wildcards: false, ignoreCase: true }) },
  StringLike: { negated: false, compile: text({ wildcards: true }) },
  StringNotLike: { negated: true, compile: text({ wildcards: true }) },
  ArnEquals: { negated: false, compile: arn },
  ArnLike: { negated: false, compile: arn },
  ArnNotEquals: { negated: true, compile: arn },
  ArnNotLike: { negated: true, compile: arn },
  NumericEquals: { negated: false, compile: numeric((a, b) => a === b) },
  NumericNotEquals: { negated: true, compile: numeric((a, b) => a === b) },
  NumericLessThan: { negated: false, compile: numeric((a, b) => a < b) },
  NumericLessThanEquals: { negated: false, compile: numeric((a, b) => a <= b) },
  NumericGreaterThan: { negated: false, compile: numeric((a, b) => a > b) },
  NumericGreaterThanEquals: { negated: false, compile: numeric((a, b) => a >= b) },
  DateEquals: { negated: false, compile: date((a, b) => a === b) },
  DateNotEquals: { negated: true, compile: date((a, b) => a === b) },
  DateLessThan: { negated: false, compile: date((a, b) => a < b) },
  DateLessThanEquals: { negated: false, compile: date((a, b) => a <= b) },
  DateGreaterThan: { negated: false, compile: date((a, b) => a > b) },
  DateGreaterThanEquals: { negated: false, compile: date((a, b) => a >= b) },
  Bool: { negated: false, compile: bool },
  BinaryEquals: { negated: false, compile: binary },
  IpAddress: { negated: false, compile: address },
  NotIpAddress: { negated: true, compile: address },
});

function text(options: { wildcards: boolean; ignoreCase?: boolean }): Compile {
  return (expected, variables) => {
    const problem = variables ? patternProblem(expected) : undefined;
    if (problem) return { problem };
    const matches = compilePattern(expected, { ...options, variables });
    return (actual, lookup) => matches(actual, lookup) === true;
  };
}

/** Each of the six parts is matched by itself, so a wildcard never spans a colon before the resource. */
function arn(expected: string, variables: boolean): ReturnType<Compile> {
  const problem = variables ? patternProblem(expected) : undefined;
  if (problem) return { problem };
  if (expected === "*") return () => true;
  const parts = splitArn(expected, variables);
  if (!parts) return { problem: `"${expected}" is not an ARN of six parts` };
  const matchers = parts.map((part) => compilePattern(part, { wildcards: true, variables }));
  return (actual, lookup) => {
    const values = splitArn(actual, false);
    return values?.every((value, i) => matchers[i]!(value, lookup) === true) ?? false;
  };
}

/** At the first five colons; those inside `${…}` do not count when there may be `variables`. */
function splitArn(arn: string, variables: boolean): string[] | undefined {
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < arn.length && parts.length < 5; at++) {
    if (variables && arn.startsWith("${", at)) at = Math.max(at, arn.indexOf("}", at));
    else if (arn[at] === ":") {
      parts.push(arn.slice(from, at));
      from = at + 1;
    }
  }
  return parts.length === 5 ? [...parts, arn.slice(from)] : undefined;
}

function numeric(holds: (actual: number, expected: number) => boolean): Compile {
  return (expected) => {
    const limit = toNumber(expected);
    if (Number.isNaN(limit)) return { problem: `"${expected}" is not a number` };
    return (actual) => holds(toNumber(actual), limit);
  };
}

function toNumber(value: string): number {
  return /^\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*$/.test(value) ? Number(value) : Number.NaN;
}

function date(holds: (actual: number, expected: number) => boolean): Compile {
  return (expected) => {
    const limit = toTime(expected);
    if (Number.isNaN(limit))
      return { problem: `"${expected}" is neither an ISO 8601 date nor epoch seconds` };
    return (actual) => holds(toTime(actual), limit);
  };
}

/** Milliseconds of an ISO 8601 date (UTC unless it says otherwise) or of epoch seconds. */
function toTime(value: string): number {
  if (/^\d{9,11}(\.\d+)?$/.test(value)) return Number(value) * 1000;
  if (!/^\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[-+]\d\d:?\d\d)?)?)?)?$/.test(value))
    return Number.NaN;
  return Date.parse(/T.*\d$/.test(value) && !/[-+]\d\d:?\d\d$/.test(value) ? `${value}Z` : value);
}

function bool(expected: string): ReturnType<Compile> {
  const want = expected.toLowerCase();
  if (want !== "true" && want !== "false") return { problem: `"${expected}" is neither "true" nor "false"` };
  return (actual) => actual.toLowerCase() === want;
}

function binary(expected: string): ReturnType<Compile> {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(expected)) return { problem: `"${expected}" is not base64` };
  const want = Buffer.from(expected, "base64");
  return (actual) => Buffer.from(actual, "base64").equals(want);
}

/** An address or a CIDR block, version 4 or 6; a mapped `::ffff:` address counts as version 4. */
function address(expected: string): ReturnType<Compile> {
  const [base, bits, ...more] = expected.split("/") as [string, ...string[]];
  const family = isIPv4(base) ? "ipv4" : isIPv6(base) ? "ipv6" : undefined;
  const width = bits === undefined ? undefined : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  const most = family === "ipv4" ? 32 : 128;
  if (!family || more.length > 0 || (width !== undefined && !(width <= most)))
    return { problem: `"${expected}" is neither an IP address nor a CIDR block` };
  const block = new BlockList();
  block.addSubnet(base, width ?? most, family);
  return (actual) => {
    const plain = actual.replace(/%.*$/, "");
    if (isIPv4(plain)) return block.check(plain, "ipv4");
    return isIPv6(plain) && block.check(plain, "ipv6");
  };
}
