/** A conversation: the fold of its log. The same fold builds it while it runs and when it is loaded. */

import { addUsage, type Item, MohoError, type NanoUsd, NO_USAGE, type Usage } from "@moho/protocol";
import type { Log } from "@moho/store";
import {
  type ContextKind,
  decodeRecord,
  encodeRecord,
  type Measured,
  RECORDS_VERSION,
  type ThreadMeta,
  type ThreadRecord,
} from "./records.ts";
import { repairItems } from "./repair.ts";
import { uuidv7 } from "./uuid.ts";

export interface ThreadState {
  readonly meta: ThreadMeta;
  readonly items: readonly Item[];
  /** The context parts as the model last heard them. */
  readonly context: Readonly<Partial<Record<ContextKind, string>>>;
  /** The model of the last turn. */
  readonly model: string;
  readonly usage: Usage;
  /** Of all turns whose price was known. */
  readonly cost: NanoUsd;
  readonly measured: Measured;
}

export interface Thread {
  readonly id: string;
  readonly state: ThreadState;
  /** Resolves once the records are in the log; only then are they part of {@link state}. */
  append(records: readonly ThreadRecord[]): Promise<void>;
  /** Makes the items fit to send (see `repair.ts`) and records what that took. */
  repair(): Promise<void>;
  /** Tokens of the thread as an answer just counted them; recorded with the end of the turn. */
  measure(tokens: number): void;
  /** An item id that no event of this process used yet. */
  nextItemId(): string;
  /** One turn at a time: the function that ends the claim, or `undefined` while another holds it. */
  claim(): (() => void) | undefined;
}

export interface NewThread {
  cwd: string;
  model: string;
  provider: string;
  /** Epoch milliseconds. */
  now: number;
  /** Ten random bytes. */
  random: Uint8Array;
}

/** Starts a thread and writes its first record. */
export async function createThread(
  log: Log,
  { cwd, model, provider, now, random }: NewThread,
): Promise<Thread> {
  const id = uuidv7(now, random);
  const created = new Date(now).toISOString();
  const meta: ThreadMeta = { id, cwd, model, provider, created, version: RECORDS_VERSION };
  await log.append(id, [encodeRecord({ type: "thread", ...meta })]);
  return threadOn(log, stateOf(meta));
}

/**
 * Claims a thread for this process, loads it and repairs it. Rejects with `thread_not_found`, `thread_busy` (another
 * process writes it) or `log_corrupt`.
 */
export async function openThread(log: Log, id: string): Promise<Thread> {
  await log.append(id, []);
  let state: State | undefined;
  for await (const { body, seq } of log.read(id)) {
    const record = decodeRecord(body, seq);
    if (state) fold(state, record);
    else if (record.type === "thread") state = stateOf(record);
    else throw new MohoError("log_corrupt", `Record ${seq} of thread ${id} is no thread's beginning.`);
  }
  if (!state) throw new MohoError("thread_not_found", `There is no thread ${id}.`);
  const thread = threadOn(log, state);
  await thread.repair();
  return thread;
}

/** The id of the newest thread that began in `cwd`. Reads one record a thread, the newest threads first. */
export async function latestThread(log: Log, cwd: string): Promise<string | undefined> {
  const seen = new Set<string>();
  for (let limit = 16; ; limit *= 8) {
    const newest = await log.streams("", limit);
    for (const { stream } of newest) {
      if (!seen.has(stream) && (await folderOf(log, stream)) === cwd) return stream;
      seen.add(stream);
    }
    if (newest.length < limit) return undefined;
  }
}

async function folderOf(log: Log, id: string): Promise<string | undefined> {
  for await (const { body, seq } of log.read(id, { limit: 1 })) {
    const record = decodeRecord(body, seq);
    if (record.type === "thread") return record.cwd;
  }
  return undefined;
}

type State = { -readonly [K in keyof ThreadState]: ThreadState[K] } & { items: Item[] };

function stateOf({ id, cwd, model, provider, created, version }: ThreadMeta): State {
  const meta = { id, cwd, model, provider, created, version };
  return { meta, items: [], context: {}, model, usage: NO_USAGE, cost: 0, measured: { tokens: 0, items: 0 } };
}

function threadOn(log: Log, state: State): Thread {
  const { id } = state.meta;
  let itemIds = 0;
  let claimed = false;
  const append = async (records: readonly ThreadRecord[]) => {
    await log.append(id, records.map(encodeRecord));
    for (const record of records) fold(state, record);
  };
  return {
    id,
    state,
    append,
    async repair() {
      const repair = repairItems(state.items);
      if (repair) await append([{ type: "repair", outputs: repair.outputs, dropped: repair.dropped }]);
    },
    measure(tokens) {
      state.measured = { tokens, items: state.items.length };
    },
    nextItemId: () => `item_${itemIds++}`,
    claim() {
      if (claimed) return undefined;
      claimed = true;
      return () => {
        claimed = false;
      };
    },
  };
}

function fold(state: State, record: ThreadRecord): void {
  switch (record.type) {
    case "item":
      state.items.push(record.item);
      if (record.context) state.context = { ...state.context, ...contextTexts(record.item, record.context) };
      return;
    case "repair":
      state.items.push(...record.outputs);
      replace(state, repairItems(state.items)?.items ?? state.items);
      return;
    case "turn":
      if (record.phase === "started") changeModel(state, record.model);
      else {
        state.usage = addUsage(state.usage, record.usage);
        state.cost += record.cost ?? 0;
        state.measured = record.measured;
      }
      return;
    default:
      return;
  }
}

/** Reasoning is opaque to every model but the one that wrote it. */
function changeModel(state: State, model: string): void {
  if (model !== state.model)
    replace(
      state,
      state.items.filter((item) => item.type !== "reasoning"),
    );
  state.model = model;
}

function replace(state: State, items: Item[]): void {
  const { tokens, items: counted } = state.measured;
  state.measured = { tokens, items: Math.min(counted, items.length) };
  state.items = items;
}

function contextTexts(item: Item, kinds: readonly ContextKind[]): Partial<Record<ContextKind, string>> {
  if (item.type !== "message" || typeof item.content === "string") return {};
  const texts: Partial<Record<ContextKind, string>> = {};
  kinds.forEach((kind, i) => {
    const part = item.content[i];
    if (typeof part === "object" && "text" in part && typeof part.text === "string") texts[kind] = part.text;
  });
  return texts;
}
