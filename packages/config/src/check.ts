/** Holds TOML values against fields. Pure; messages name the key, and for known choices the allowed values. */

import { MohoError } from "@moho/protocol";
import { nearestName } from "./nearest.ts";
import { type Path, showPath } from "./path.ts";
import type { AnyField, Field } from "./schema.ts";
import { isTable, type Table, type TomlDocument } from "./toml.ts";

export interface Issue {
  kind: "unknown" | "wrong";
  path: Path;
  message: string;
}

/** Everything about `value` that `field` does not allow. */
export function check(field: AnyField, value: unknown, path: Path = []): Issue[] {
  const problem = wrongKind(field, value) ?? field.refuse?.(value as never);
  if (problem !== undefined) return [wrong(path, problem)];
  const { shape } = field;
  if (shape.kind === "list") {
    return (value as unknown[]).flatMap((each, index) => check(shape.of, each, [...path, index]));
  }
  if (shape.kind === "either") {
    const fits = shape.of.find((each) => wrongKind(each, value) === undefined)!;
    return check(fits, value, path);
  }
  if (shape.kind !== "table") return [];
  const issues: Issue[] = [];
  for (const [key, each] of Object.entries(value as Table)) {
    const known = Object.hasOwn(shape.fields, key) ? shape.fields[key] : shape.rest;
    if (known) issues.push(...check(known, each, [...path, key]));
    else issues.push(unknown([...path, key], Object.keys(shape.fields)));
  }
  for (const [key, each] of Object.entries(shape.fields)) {
    if (each.required && !Object.hasOwn(value as Table, key)) {
      issues.push(wrong([...path, key], "is required"));
    }
  }
  return issues;
}

/**
 * The document's table as the field describes it, with fallbacks filled in. Throws one `invalid_config` that lists
 * every wrong, missing or unknown key with its line and the nearest known name.
 */
export function readTable<T>(document: TomlDocument, field: Field<T>): NonNullable<T> {
  const issues = check(field, document.table);
  if (issues.length > 0) throw invalidConfig(issues.map((issue) => located(issue, document)));
  return filled(field, document.table) as NonNullable<T>;
}

/** `file:line:column: message` of an issue in a document. */
export function located(issue: Issue, document: TomlDocument): string {
  const { line, column } = document.position(issue.path);
  return `${document.file}:${line}:${column}: ${issue.message}`;
}

export function invalidConfig(messages: readonly string[]): MohoError {
  return new MohoError("invalid_config", messages.join("\n"));
}

function filled(field: AnyField, value: unknown): unknown {
  const { shape } = field;
  if (value === undefined) return field.fallback;
  if (shape.kind === "list") return (value as unknown[]).map((each) => filled(shape.of, each));
  if (shape.kind !== "table") return value;
  const result: Table = {};
  for (const [key, each] of Object.entries(value as Table)) {
    const known = Object.hasOwn(shape.fields, key) ? shape.fields[key]! : shape.rest!;
    Object.defineProperty(result, key, {
      value: filled(known, each),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  for (const [key, each] of Object.entries(shape.fields)) {
    if (each.fallback !== undefined && !Object.hasOwn(result, key)) result[key] = each.fallback;
  }
  return result;
}

function wrong(path: Path, problem: string): Issue {
  const name = path.length === 0 ? "the file" : `\`${showPath(path)}\``;
  return { kind: "wrong", path, message: `${name} ${problem}` };
}

function unknown(path: Path, siblings: readonly string[]): Issue {
  const near = nearestName(String(path.at(-1)), siblings);
  const meant = near === undefined ? "" : ` (did you mean \`${showPath([...path.slice(0, -1), near])}\`?)`;
  return { kind: "unknown", path, message: `\`${showPath(path)}\` is not a known setting${meant}` };
}

/** Why the value is not even of the right kind. Values are shown only where the choices are fixed. */
function wrongKind(field: AnyField, value: unknown): string | undefined {
  const { shape } = field;
  switch (shape.kind) {
    case "anything":
      return undefined;
    case "text":
      if (typeof value !== "string") return mismatch("a string", value);
      if (shape.values && !shape.values.includes(value)) {
        return `is ${JSON.stringify(value.slice(0, 60))}; allowed: ${shape.values.map((v) => `"${v}"`).join(", ")}`;
      }
      return undefined;
    case "flag":
      return typeof value === "boolean" ? undefined : mismatch("true or false", value);
    case "integer":
    case "number":
      if (typeof value !== "number" || (shape.kind === "integer" && !Number.isSafeInteger(value))) {
        return mismatch(shape.kind === "integer" ? "a whole number" : "a number", value);
      }
      return value >= shape.min && value <= shape.max
        ? undefined
        : `is ${value}, ${range(shape.min, shape.max)}`;
    case "list":
      return Array.isArray(value) ? undefined : mismatch("an array", value);
    case "table":
      return isTable(value) ? undefined : mismatch("a table", value);
    case "either": {
      const problems = shape.of.map((each) => wrongKind(each, value));
      if (problems.includes(undefined)) return undefined;
      return (
        problems.find((each) => !each!.startsWith("must be")) ??
        problems.join(" or ").replaceAll(" or must be", " or")
      );
    }
  }
}

function mismatch(expected: string, value: unknown): string {
  return `must be ${expected}, not ${kindName(value)}`;
}

function kindName(value: unknown): string {
  if (typeof value === "string") return "a string";
  if (typeof value === "boolean") return "a boolean";
  if (typeof value === "number") return "a number";
  if (Array.isArray(value)) return "an array";
  return isTable(value) ? "a table" : "a date";
}

function range(min: number, max: number): string {
  return max >= Number.MAX_SAFE_INTEGER ? `less than ${min}` : `outside ${min} to ${max}`;
}
