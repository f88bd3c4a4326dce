/** The items of one turn as its events tell them: each that starts also completes, at the latest with the turn. */

import type { ThreadEvent, ThreadItem } from "@moho/protocol";

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
/** A thread item before it has an id. */
export type ItemBody = WithoutId<ThreadItem>;

export interface OpenItem {
  update(body: ItemBody): void;
  /** Once; later calls say nothing. */
  complete(body: ItemBody): void;
}

/** A command that may outlive the call that started it. */
export interface Background {
  /** Never rejects. */
  readonly exited: Promise<void>;
  /** As it is now. */
  item(): ItemBody;
  kill(): void;
}

export interface ItemFeed {
  /** An item that is whole when it is first told of, such as a message: it only completes. */
  tell(body: ItemBody): void;
  /** A session that has an open item goes on with it; any other item starts. */
  start(body: ItemBody, session?: Background): OpenItem;
  /** Ties a command's item to its session: the item completes by itself when the session ends. */
  follow(item: OpenItem, session: Background): void;
  /** The sessions whose items are open. */
  running(): Background[];
  /** Completes what is still open; a command that runs on stays `in_progress`. */
  close(): void;
}

export function itemFeed(emit: (event: ThreadEvent) => void, nextId: () => string): ItemFeed {
  const followed = new Map<Background, OpenItem>();
  let closed = false;

  const open = (body: ItemBody): OpenItem => {
    const id = nextId();
    let done = false;
    const say = (phase: "item.started" | "item.updated" | "item.completed", said: ItemBody) => {
      if (!done && !closed) emit({ type: phase, item: { id, ...said } as ThreadItem });
    };
    say("item.started", body);
    return {
      update: (said) => say("item.updated", said),
      complete(said) {
        say("item.completed", said);
        done = true;
      },
    };
  };

  const finish = (session: Background) => {
    followed.get(session)?.complete(session.item());
    followed.delete(session);
  };

  return {
    tell: (body) => emit({ type: "item.completed", item: { id: nextId(), ...body } as ThreadItem }),
    start: (body, session) => (session && followed.get(session)) ?? open(body),
    follow(item, session) {
      if (followed.has(session)) return;
      followed.set(session, item);
      void session.exited.then(() => finish(session));
    },
    running: () => [...followed.keys()],
    close() {
      for (const session of [...followed.keys()]) finish(session);
      closed = true;
    },
  };
}
