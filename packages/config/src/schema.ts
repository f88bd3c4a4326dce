/** Says what a setting may be. A field is plain data; the type of its value follows from it. */

type Shape =
  | { kind: "text"; values?: readonly string[] }
  | { kind: "integer" | "number"; min: number; max: number }
  | { kind: "flag" }
  | { kind: "anything" }
  | { kind: "list"; of: AnyField }
  | { kind: "table"; fields: Readonly<Record<string, AnyField>>; rest: AnyField | undefined }
  | { kind: "either"; of: readonly AnyField[] };

export interface Field<T> {
  readonly shape: Shape;
  /** Absence is an error. Tables read by `readTable` only. */
  readonly required?: boolean;
  /** Stands in for an absent value. Tables read by `readTable` only. */
  readonly fallback?: unknown;
  /** Why a value of the right kind is still refused, or undefined. */
  readonly refuse?: (value: never) => string | undefined;
  /** For the compiler only: the type of the value. */
  readonly valueType?: T;
}

export type AnyField = Field<unknown>;

/** The type of a field's value; `undefined` is in it unless the field is required or has a fallback. */
export type ValueOf<F> = F extends Field<infer T> ? T : never;

type TableOf<F> = { [K in keyof F]: ValueOf<F[K]> };

export function text<const V extends string = string>(values?: readonly V[]): Field<V | undefined> {
  return { shape: values ? { kind: "text", values } : { kind: "text" } };
}

export function integer(min = 0, max = Number.MAX_SAFE_INTEGER): Field<number | undefined> {
  return { shape: { kind: "integer", min, max } };
}

export function number(min = -Infinity, max = Infinity): Field<number | undefined> {
  return { shape: { kind: "number", min, max } };
}

export function flag(): Field<boolean | undefined> {
  return { shape: { kind: "flag" } };
}

/** Known by name, not looked into. */
export function anything(): Field<unknown> {
  return { shape: { kind: "anything" } };
}

export function list<T>(of: Field<T>): Field<NonNullable<T>[] | undefined> {
  return { shape: { kind: "list", of } };
}

export function table<F extends Readonly<Record<string, AnyField>>>(
  fields: F,
): Field<TableOf<F> | undefined> {
  return { shape: { kind: "table", fields, rest: undefined } };
}

/** A table whose keys are the user's own. */
export function map<T>(of: Field<T>): Field<Record<string, NonNullable<T>> | undefined> {
  return { shape: { kind: "table", fields: {}, rest: of } };
}

/** A table with known keys beside which others, of one kind, are allowed. */
export function open<F extends Readonly<Record<string, AnyField>>>(
  fields: F,
  rest: AnyField = anything(),
): Field<(TableOf<F> & Record<string, unknown>) | undefined> {
  return { shape: { kind: "table", fields, rest } };
}

export function either<A, B>(a: Field<A>, b: Field<B>): Field<A | B> {
  return { shape: { kind: "either", of: [a, b] } };
}

export function required<T>(field: Field<T>): Field<NonNullable<T>> {
  return { ...field, required: true } as Field<NonNullable<T>>;
}

export function withDefault<T>(field: Field<T>, fallback: NonNullable<T>): Field<NonNullable<T>> {
  return { ...field, fallback } as Field<NonNullable<T>>;
}

/** Adds a check to a field; `refuse` returns the reason. */
export function checked<T>(field: Field<T>, refuse: (value: NonNullable<T>) => string | undefined): Field<T> {
  return { ...field, refuse } as Field<T>;
}
