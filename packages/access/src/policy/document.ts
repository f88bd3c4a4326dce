/** IAM policy documents: their form, and validation with a message that names the JSON path and the nearest valid key. */

import { MohoError } from "@moho/protocol";
import { OPERATORS } from "./operators.ts";
import { patternProblem } from "./pattern.ts";

export interface Statement {
  Sid?: string;
  Effect: "Allow" | "Deny";
  Action?: string | string[];
  NotAction?: string | string[];
  Resource?: string | string[];
  NotResource?: string | string[];
  Condition?: Record<string, Record<string, ConditionValue | ConditionValue[]>>;
}
export type ConditionValue = string | number | boolean;

export interface PolicyDocument {
  Version?: "2012-10-17" | "2008-10-17";
  Id?: string;
  Statement: Statement | Statement[];
}

const DOCUMENT_KEYS = ["Version", "Id", "Statement"];
const STATEMENT_KEYS = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];
const VERSIONS = ["2012-10-17", "2008-10-17"];
/** Characters of the document as compact JSON; AWS allows 6,144 without white space. */
const MAX_CHARACTERS = 65_536;

/** `value` as an identity policy. Throws `invalid_request` naming the path of the first problem. */
export function parsePolicy(value: unknown): PolicyDocument {
  const document = record(value, "the policy", DOCUMENT_KEYS);
  if (JSON.stringify(value).length > MAX_CHARACTERS)
    throw problem("the policy", `is longer than ${MAX_CHARACTERS} characters`);
  if (document["Version"] !== undefined && !VERSIONS.includes(document["Version"] as string))
    throw problem(
      "Version",
      `must be "2012-10-17" or "2008-10-17", not ${JSON.stringify(document["Version"])}`,
    );
  if (document["Id"] !== undefined && typeof document["Id"] !== "string") throw problem("Id", "must be text");
  const variables = document["Version"] === "2012-10-17";
  const list = document["Statement"];
  if (list === undefined) throw problem("Statement", "is missing");
  const statements = Array.isArray(list) ? list : [list];
  if (statements.length === 0) throw problem("Statement", "must have at least one statement");
  const sids = new Set<unknown>();
  for (const [index, one] of statements.entries()) {
    const path = Array.isArray(list) ? `Statement[${index}]` : "Statement";
    const statement = checkStatement(one, path, variables);
    const sid = statement["Sid"];
    if (sid === undefined || sid === "") continue;
    if (sids.has(sid)) throw problem(`${path}.Sid`, `${JSON.stringify(sid)} is used twice`);
    sids.add(sid);
  }
  return value as PolicyDocument;
}

/** `value` as a list. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  return value === undefined ? [] : Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

/** An operator's name taken apart: `ForAllValues:StringLikeIfExists`. */
export function parseOperator(name: string): {
  set: "all" | "any" | undefined;
  base: string;
  ifExists: boolean;
} {
  const set = name.startsWith("ForAllValues:") ? "all" : name.startsWith("ForAnyValue:") ? "any" : undefined;
  const ifExists = name.endsWith("IfExists");
  const base = name.slice(set ? name.indexOf(":") + 1 : 0, ifExists ? -"IfExists".length : undefined);
  return { set, base, ifExists };
}

function checkStatement(value: unknown, path: string, variables: boolean): Record<string, unknown> {
  if (value !== null && typeof value === "object" && ("Principal" in value || "NotPrincipal" in value))
    throw problem(path, "names a Principal: an identity policy belongs to the principal it is attached to");
  const statement = record(value, path, STATEMENT_KEYS);
  const sid = statement["Sid"];
  if (sid !== undefined && !(typeof sid === "string" && /^[A-Za-z0-9]*$/.test(sid)))
    throw problem(`${path}.Sid`, "may have letters and digits only");
  const effect = statement["Effect"];
  if (effect !== "Allow" && effect !== "Deny")
    throw problem(`${path}.Effect`, `must be "Allow" or "Deny", not ${JSON.stringify(effect) ?? "absent"}`);
  checkOneOf(statement, path, "Action", "NotAction", actionProblem);
  checkOneOf(statement, path, "Resource", "NotResource", (text) => resourceProblem(text, variables));
  if (statement["Condition"] !== undefined)
    checkCondition(statement["Condition"], `${path}.Condition`, variables);
  return statement;
}

function checkOneOf(
  statement: Record<string, unknown>,
  path: string,
  name: string,
  not: string,
  check: (text: string) => string | undefined,
): void {
  if ((statement[name] === undefined) === (statement[not] === undefined))
    throw problem(path, `must have exactly one of ${name} and ${not}`);
  const key = statement[name] === undefined ? not : name;
  const value = statement[key];
  const list = listOf(value);
  if (list.length === 0) throw problem(`${path}.${key}`, "must not be empty");
  for (const [index, text] of list.entries()) {
    const at = Array.isArray(value) ? `${path}.${key}[${index}]` : `${path}.${key}`;
    if (typeof text !== "string") throw problem(at, "must be text");
    const found = check(text);
    if (found) throw problem(at, found);
  }
}

function actionProblem(action: string): string | undefined {
  if (action === "*" || /^[A-Za-z0-9-]+:[A-Za-z0-9*?]+$/.test(action)) return undefined;
  return `${JSON.stringify(action)} is not an action: write "*" or "service:Name", for example "bedrock-mantle:CreateInference"`;
}

function resourceProblem(resource: string, variables: boolean): string | undefined {
  const colons = resource.replace(/\$\{[^}]*\}/g, "").split(":").length - 1;
  if (resource !== "*" && !(resource.startsWith("arn:") && (colons >= 5 || resource.includes("*"))))
    return `${JSON.stringify(resource)} is not a resource: write "*" or an ARN of six parts`;
  return variables ? patternProblem(resource) : undefined;
}

function checkCondition(value: unknown, path: string, variables: boolean): void {
  for (const [name, keys] of Object.entries(record(value, path))) {
    const { set, base, ifExists } = parseOperator(name);
    const at = `${path}.${name}`;
    if (base === "Null" ? set !== undefined || ifExists : !Object.hasOwn(OPERATORS, base))
      throw problem(at, `is not a condition operator${nearest(name, [...Object.keys(OPERATORS), "Null"])}`);
    for (const [key, values] of Object.entries(record(keys, at))) {
      const here = `${at}["${key}"]`;
      if (!/^[^:\s]+:.+$/s.test(key)) throw problem(here, "is not a condition key such as aws:SourceIp");
      const list = listOf(values);
      if (list.length === 0) throw problem(here, "must have a value");
      for (const one of list) checkValue(one, base, here, variables);
    }
  }
}

function checkValue(value: unknown, operator: string, path: string, variables: boolean): void {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean")
    throw problem(path, "must be text, a number or a truth value");
  const compiled = OPERATORS[operator === "Null" ? "Bool" : operator]!.compile(String(value), variables);
  if ("problem" in compiled) throw problem(path, compiled.problem);
}

function record(value: unknown, path: string, keys?: readonly string[]): Record<string, unknown> {
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw problem(path, "must be a JSON object");
  const unknown = keys && Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) {
    const at = path === "the policy" ? unknown : `${path}.${unknown}`;
    throw problem(at, `is not a key that belongs here${nearest(unknown, keys!)}`);
  }
  return value as Record<string, unknown>;
}

function problem(path: string, what: string): MohoError {
  return new MohoError("invalid_request", `Invalid policy: ${path} ${what}.`, { details: { path } });
}

function nearest(name: string, candidates: readonly string[]): string {
  let best = "";
  let least = 4;
  for (const candidate of candidates) {
    const steps = distance(name.toLowerCase(), candidate.toLowerCase());
    if (steps < least) [best, least] = [candidate, steps];
  }
  return best === "" ? `; it may be one of ${candidates.join(", ")}` : `: did you mean "${best}"?`;
}

/** Levenshtein. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
