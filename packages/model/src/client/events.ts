/** Batches of events as a stream of single ones, without a promise chain for each. */

/** Ends `batches` when the reader leaves early. */
export function flatten<T>(batches: AsyncGenerator<readonly T[], void>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator](): AsyncIterator<T> {
      let batch: readonly T[] = [];
      let at = 0;
      const next = async (): Promise<IteratorResult<T>> => {
        while (at >= batch.length) {
          const result = await batches.next();
          if (result.done) return { done: true, value: undefined };
          batch = result.value;
          at = 0;
        }
        return { done: false, value: batch[at++] as T };
      };
      return {
        next: () => (at < batch.length ? Promise.resolve({ done: false, value: batch[at++] as T }) : next()),
        async return() {
          await batches.return();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
