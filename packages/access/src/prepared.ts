/**
 * Documents of one kind, read, made ready and then trusted for a few seconds, so that the hot path reads and
 * parses nothing. A change through this process is seen at once (`forget`), one by another process within `freshMs`.
 */

import type { Documents } from "@moho/store";

interface Entry<P> {
  prepared: P;
  readAt: number;
}

export interface PreparedOptions<T, P> {
  documents: Documents;
  kind: string;
  /** Runs once for each read. What it throws reaches the caller and is not kept. */
  prepare: (value: T, id: string) => P;
  clock: () => number;
  freshMs: number;
  limit: number;
}

export class PreparedDocuments<T, P> {
  readonly #options: PreparedOptions<T, P>;
  readonly #entries = new Map<string, Entry<P>>();
  readonly #reading = new Map<string, Promise<P | undefined>>();
  #generation = 0;

  constructor(options: PreparedOptions<T, P>) {
    this.#options = options;
  }

  /** The prepared document, `undefined` when there is none. Absence is not remembered. */
  get(id: string): P | undefined | Promise<P | undefined> {
    const entry = this.#entries.get(id);
    const age = entry ? this.#options.clock() - entry.readAt : Number.NaN;
    if (age >= 0 && age < this.#options.freshMs) return entry!.prepared;
    const running = this.#reading.get(id);
    if (running) return running;
    const reading = this.#read(id).finally(() => {
      if (this.#reading.get(id) === reading) this.#reading.delete(id);
    });
    this.#reading.set(id, reading);
    return reading;
  }

  /** The next `get` reads again; a read under way is not kept and not joined. */
  forget(id: string): void {
    this.#generation++;
    this.#entries.delete(id);
    this.#reading.delete(id);
  }

  async #read(id: string): Promise<P | undefined> {
    const { documents, kind, prepare, clock, limit } = this.#options;
    const generation = this.#generation;
    const readAt = clock();
    const found = await documents.get<T>(kind, id);
    const current = generation === this.#generation;
    if (current) this.#entries.delete(id);
    if (!found) return undefined;
    const prepared = prepare(found.value, id);
    if (current) {
      for (const oldest of this.#entries.keys()) {
        if (this.#entries.size < limit) break;
        this.#entries.delete(oldest);
      }
      this.#entries.set(id, { prepared, readAt });
    }
    return prepared;
  }
}
