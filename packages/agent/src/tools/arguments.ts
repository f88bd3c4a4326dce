/** Strict reading of a function call's arguments by the JSON Schema that the model was shown. Pure. */

import { MohoError } from "@moho/protocol";

/** The part of JSON Schema that tools use. */
export type Schema = { description?: string } & (
  | { type: "string"; enum?: readonly string[] }
  | { type: "number" | "boolean" }
  | { type: "array"; items: Schema }
  | ObjectSchema
);
export interface ObjectSchema {
  type: "object";
  properties: Record<string, Schema>;
  required: readonly string[];
  additionalProperties: false;
}

/** An object schema; `required` names what must be given. */
export function objectSchema(properties: Record<string, Schema>, required: readonly string[]): ObjectSchema {
  return { type: "object", properties, required, additionalProperties: false };
}

/**
 * The arguments, checked against `schema`, which `A` describes to TypeScript. Throws `invalid_request` when the text
 * is no JSON object or a value is missing, unknown or of another type.
 */
export function readArguments<A>(text: string, schema: ObjectSchema): A {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MohoError("invalid_request", `The arguments are not JSON: ${(cause as Error).message}.`, {
      cause,
    });
  }
  const problem = problemOf(value, schema, "");
  if (problem) throw new MohoError("invalid_request", `The arguments do not fit: ${problem}.`);
  return value as A;
}

function problemOf(value: unknown, schema: Schema, path: string): string | undefined {
  const what = path || "the whole";
  if (schema.type === "array") {
    if (!Array.isArray(value)) return `${what} must be an array`;
    return firstProblem(value.map((item, i) => problemOf(item, schema.items, `${path}[${i}]`)));
  }
  if (schema.type === "object") {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return `${what} must be an object`;
    return objectProblem(value as Record<string, unknown>, schema, path);
  }
  if (typeof value !== schema.type) return `${what} must be a ${schema.type}`;
  if (schema.type === "string" && schema.enum && !schema.enum.includes(value as string))
    return `${what} must be one of ${schema.enum.join(", ")}`;
  return undefined;
}

function objectProblem(
  value: Record<string, unknown>,
  { properties, required }: ObjectSchema,
  path: string,
): string | undefined {
  const name = (key: string) => (path ? `${path}.${key}` : key);
  const missing = required.find((key) => !Object.hasOwn(value, key));
  if (missing) return `${name(missing)} is missing`;
  return firstProblem(
    Object.entries(value).map(([key, inner]) => {
      const schema = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (schema) return problemOf(inner, schema, name(key));
      return `${name(key)} is unknown (known: ${Object.keys(properties).join(", ")})`;
    }),
  );
}

function firstProblem(problems: (string | undefined)[]): string | undefined {
  return problems.find((problem) => problem !== undefined);
}
