/** A unified diff of two texts, for people and as a patch: Myers' algorithm on whole lines, bounded. Pure. */

export interface DiffHeader {
  path: string;
  /** Set for a move. */
  from?: string | undefined;
  kind: "add" | "delete" | "update";
  /** Permission bits, shown where git shows them. */
  modes?: { before: number | undefined; after: number | undefined } | undefined;
}

const CONTEXT = 3;
/** Beyond this many differing lines the middle is shown as one replacement: right, if not the shortest. */
const MOST_EDITS = 1000;
/** A longer diff is cut, and says so. */
const MOST_CHARACTERS = 256 * 1024;

/** In git's form, so that `git apply` takes it (unless it was cut). */
export function unifiedDiff(before: string, after: string, header: DiffHeader): string {
  const from = splitLines(before);
  const to = splitLines(after);
  const edits = diffLines(from, to);
  const head = headerLines(header, edits.length > 0);
  let body = "";
  for (const group of groups(edits, from.length)) {
    body += renderGroup(group, from, to);
    if (body.length > MOST_CHARACTERS) {
      return `${head}${body.slice(0, MOST_CHARACTERS)}\n… the diff is longer than is shown here\n`;
    }
  }
  return head + body;
}

/** Lines with their endings; the last may have none. */
function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** `from` lines [fromStart, fromEnd) became `to` lines [toStart, toEnd). In order, with equal lines between. */
interface Edit {
  fromStart: number;
  fromEnd: number;
  toStart: number;
  toEnd: number;
}

function diffLines(from: readonly string[], to: readonly string[]): Edit[] {
  let start = 0;
  while (start < from.length && start < to.length && from[start] === to[start]) start++;
  let [fromEnd, toEnd] = [from.length, to.length];
  while (fromEnd > start && toEnd > start && from[fromEnd - 1] === to[toEnd - 1]) {
    fromEnd--;
    toEnd--;
  }
  if (start === fromEnd && start === toEnd) return [];
  const middle = myers(intern(from, start, fromEnd, to, start, toEnd));
  const whole = [{ fromStart: 0, fromEnd: fromEnd - start, toStart: 0, toEnd: toEnd - start }];
  return (middle ?? whole).map((edit) => ({
    fromStart: edit.fromStart + start,
    fromEnd: edit.fromEnd + start,
    toStart: edit.toStart + start,
    toEnd: edit.toEnd + start,
  }));
}

/** Equal lines become equal numbers. */
function intern(
  from: readonly string[],
  fromStart: number,
  fromEnd: number,
  to: readonly string[],
  toStart: number,
  toEnd: number,
): [Int32Array, Int32Array] {
  const numbers = new Map<string, number>();
  const number = (line: string) => {
    const known = numbers.get(line);
    if (known !== undefined) return known;
    numbers.set(line, numbers.size);
    return numbers.size - 1;
  };
  const a = Int32Array.from({ length: fromEnd - fromStart }, (_, i) => number(from[fromStart + i]!));
  const b = Int32Array.from({ length: toEnd - toStart }, (_, i) => number(to[toStart + i]!));
  return [a, b];
}

/** The shortest edit script, or undefined when it is longer than MOST_EDITS. */
function myers([a, b]: [Int32Array, Int32Array]): Edit[] | undefined {
  const most = Math.min(a.length + b.length, MOST_EDITS);
  // furthest[k + most] is the furthest x on diagonal k = x - y.
  const furthest = new Int32Array(2 * most + 2);
  const trace: Int32Array[] = [];
  for (let d = 0; d <= most; d++) {
    trace.push(furthest.slice(most - d, most + d + 1));
    for (let k = -d; k <= d; k += 2) {
      const i = k + most;
      const down = k === -d || (k !== d && furthest[i - 1]! < furthest[i + 1]!);
      let x = down ? furthest[i + 1]! : furthest[i - 1]! + 1;
      if (d === 0) x = 0;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      furthest[i] = x;
      if (x >= a.length && x - k >= b.length) return backtrack(trace, d, a.length, b.length);
    }
  }
  return undefined;
}

/** Walks the trace back; neighbouring steps become one edit. */
function backtrack(trace: readonly Int32Array[], depth: number, endX: number, endY: number): Edit[] {
  const edits: Edit[] = [];
  let [x, y] = [endX, endY];
  for (let d = depth; d > 0; d--) {
    const before = trace[d]!;
    const k = x - y;
    const at = (diagonal: number) => before[diagonal + d]!;
    const down = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const previous = down ? k + 1 : k - 1;
    const fromX = at(previous);
    const fromY = fromX - previous;
    const [toX, toY] = down ? [fromX, fromY + 1] : [fromX + 1, fromY];
    const last = edits.at(-1);
    if (last && last.fromStart === toX && last.toStart === toY) {
      last.fromStart = fromX;
      last.toStart = fromY;
    } else {
      edits.push({ fromStart: fromX, fromEnd: toX, toStart: fromY, toEnd: toY });
    }
    [x, y] = [fromX, fromY];
  }
  return edits.reverse();
}

/** Edits whose context would touch share a hunk. */
function groups(edits: readonly Edit[], length: number): { edits: Edit[]; above: number; below: number }[] {
  const result: { edits: Edit[]; above: number; below: number }[] = [];
  for (const edit of edits) {
    const last = result.at(-1);
    if (last && edit.fromStart - last.edits.at(-1)!.fromEnd <= 2 * CONTEXT) last.edits.push(edit);
    else result.push({ edits: [edit], above: Math.min(CONTEXT, edit.fromStart), below: 0 });
  }
  for (const group of result) group.below = Math.min(CONTEXT, length - group.edits.at(-1)!.fromEnd);
  return result;
}

function renderGroup(
  { edits, above, below }: { edits: Edit[]; above: number; below: number },
  from: readonly string[],
  to: readonly string[],
): string {
  const [first, last] = [edits[0]!, edits.at(-1)!];
  const fromCount = last.fromEnd + below - (first.fromStart - above);
  const toCount = last.toEnd + below - (first.toStart - above);
  let text = `@@ -${range(first.fromStart - above, fromCount)} +${range(first.toStart - above, toCount)} @@\n`;
  let next = first.fromStart - above;
  for (const edit of edits) {
    for (; next < edit.fromStart; next++) text += rendered(" ", from[next]!);
    for (; next < edit.fromEnd; next++) text += rendered("-", from[next]!);
    for (let i = edit.toStart; i < edit.toEnd; i++) text += rendered("+", to[i]!);
  }
  for (let i = 0; i < below; i++) text += rendered(" ", from[next + i]!);
  return text;
}

function range(start: number, count: number): string {
  const line = count === 0 ? start : start + 1;
  return count === 1 ? `${line}` : `${line},${count}`;
}

function rendered(op: string, line: string): string {
  return line.endsWith("\n") ? op + line : `${op}${line}\n\\ No newline at end of file\n`;
}

function headerLines({ path, from, kind, modes }: DiffHeader, changed: boolean): string {
  const old = quotePath(`a/${from ?? path}`);
  const name = quotePath(`b/${path}`);
  const mode = (bits: number | undefined) => (bits !== undefined && bits & 0o100 ? "100755" : "100644");
  let head = `diff --git ${old} ${name}\n`;
  if (kind === "add") head += `new file mode ${mode(modes?.after)}\n`;
  else if (kind === "delete") head += `deleted file mode ${mode(modes?.before)}\n`;
  else if (mode(modes?.before) !== mode(modes?.after)) {
    head += `old mode ${mode(modes?.before)}\nnew mode ${mode(modes?.after)}\n`;
  }
  if (from !== undefined) head += `rename from ${quotePath(from)}\nrename to ${quotePath(path)}\n`;
  if (!changed) return head;
  return `${head}--- ${kind === "add" ? "/dev/null" : old}\n+++ ${kind === "delete" ? "/dev/null" : name}\n`;
}

/** Git's quoting of a path that has control characters, quotes or backslashes. */
function quotePath(path: string): string {
  if (!/[\x00-\x1f"\\\x7f]/.test(path)) return path;
  const escaped = path.replace(/["\\]/g, "\\$&").replace(/[\x00-\x1f\x7f]/g, (character) => {
    return `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
  });
  return `"${escaped}"`;
}
