/** One row a measurement: ours, the floor or rival of the same run, their ratio, and what is wanted of it. */

export interface Row {
  name: string;
  unit: string;
  ours: number;
  /** Absent for absolute targets. */
  floor?: number;
  /** The most the ratio (or, without a floor, the value) may be. */
  most: number;
  note?: string;
}

export function passes(row: Row): boolean {
  return (row.floor === undefined ? row.ours : row.ours / row.floor) <= row.most;
}

const cell = (value: number) =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

export function table(rows: readonly Row[]): string {
  const head = ["", "measurement", "ours", "floor", "ratio", "target", "unit"];
  const lines = rows.map((row) => [
    passes(row) ? "ok" : "MISS",
    row.name,
    cell(row.ours),
    row.floor === undefined ? "–" : cell(row.floor),
    row.floor === undefined ? "–" : `${(row.ours / row.floor).toFixed(2)}×`,
    row.floor === undefined ? `≤ ${row.most}` : `≤ ${row.most}×`,
    row.unit,
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => line[column]!.length)));
  return [head, ...lines].map((line) => line.map((text, i) => text.padEnd(widths[i]!)).join("  ")).join("\n");
}
