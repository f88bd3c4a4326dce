import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileLog, openStore, type Store } from "@moho/store";
import {
  documentsConformance,
  type Instance,
  ledgerConformance,
  logConformance,
} from "@moho/store/conformance";
import { describe, test } from "vitest";

const memory = (now: () => number) => openStore("memory:", { now });

/** One part of a store in a database of its own. */
function sqlite<Part extends "log" | "ledger" | "documents">(part: Part) {
  return async (now: () => number): Promise<Instance<Store[Part]>> => {
    const folder = await mkdtemp(join(tmpdir(), "moho-store-"));
    const url = `sqlite:${join(folder, "store.db")}`;
    let store = await openStore(url, { now });
    return {
      subject: store[part],
      async reopen() {
        await store.close();
        store = await openStore(url, { now });
        return store[part];
      },
      async dispose() {
        await store.close();
        await rm(folder, { recursive: true });
      },
    };
  };
}

describe("log in memory", () => {
  logConformance(test, async (now) => {
    const { log } = await memory(now);
    return { subject: log, dispose: () => log.close() };
  });
});

describe("log in files", () => {
  logConformance(test, async (now) => {
    const folder = await mkdtemp(join(tmpdir(), "moho-store-"));
    let log = openFileLog(folder, { now });
    return {
      subject: log,
      async reopen() {
        await log.close();
        log = openFileLog(folder, { now });
        return log;
      },
      async dispose() {
        await log.close();
        await rm(folder, { recursive: true });
      },
    };
  });
});

describe("log in SQLite", () => logConformance(test, sqlite("log")));

describe("ledger in memory", () => {
  ledgerConformance(test, async (now) => ({ subject: (await memory(now)).ledger, dispose: async () => {} }));
});

describe("ledger in SQLite", () => ledgerConformance(test, sqlite("ledger")));

describe("documents in memory", () => {
  documentsConformance(test, async (now) => ({
    subject: (await memory(now)).documents,
    dispose: async () => {},
  }));
});

describe("documents in SQLite", () => documentsConformance(test, sqlite("documents")));
