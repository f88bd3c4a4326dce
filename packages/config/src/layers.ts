/** The layers of a configuration, low to high, and what can be asked of a stack of them. Pure. */

import { type Path, valueAt } from "./path.ts";
import { isTable, type Table, type TomlDocument } from "./toml.ts";

export type LayerKind = "default" | "system" | "user" | "profile" | "project" | "flag";

export interface Layer {
  kind: LayerKind;
  table: Table;
  /** Absent for defaults and flags. */
  document: TomlDocument | undefined;
}

export interface Origin {
  value: unknown;
  layer: LayerKind;
  file: string | undefined;
  /** From 1. */
  line: number | undefined;
}

export interface Explanation extends Partial<Origin> {
  /** What lower layers say, highest first. Tables are merged: there these are the other contributors. */
  shadowed: Origin[];
}

/** Where a value comes from, with the layers under it. */
export function explainIn(layers: readonly Layer[], merged: Table, path: Path): Explanation {
  const origins: Origin[] = [];
  for (const layer of layers.toReversed()) {
    const value = valueAt(layer.table, path);
    if (value === undefined) continue;
    const { document } = layer;
    origins.push({ value, layer: layer.kind, file: document?.file, line: document?.position(path).line });
  }
  const [winner, ...shadowed] = origins;
  if (winner === undefined) return { shadowed };
  return { ...winner, value: valueAt(merged, path), shadowed };
}

/** Tables merge key by key; everything else replaces what is below it. */
export function mergeLayers(layers: readonly Layer[]): Table {
  const merged: Table = Object.create(null);
  for (const layer of layers) mergeInto(merged, layer.table);
  return merged;
}

function mergeInto(target: Table, source: Table): void {
  for (const [key, value] of Object.entries(source)) {
    if (!isTable(value)) {
      put(target, key, value);
      continue;
    }
    const below = Object.hasOwn(target, key) ? target[key] : undefined;
    const merged: Table = isTable(below) ? below : Object.create(null);
    mergeInto(merged, value);
    put(target, key, merged);
  }
}

/** Also for a key named `__proto__`, which plain assignment would not store. */
export function put(table: Table, key: string, value: unknown): void {
  Object.defineProperty(table, key, { value, enumerable: true, writable: true, configurable: true });
}
