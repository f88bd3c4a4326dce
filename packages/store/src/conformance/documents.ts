/** What every document store promises. */

import assert from "node:assert/strict";
import type { Documents } from "../ports.ts";
import { type Cases, type DeclareTest, declareCases, type OpenInstance, refuses } from "./harness.ts";

const CASES: Cases<Documents> = {
  async "gives back what was put, as a copy"(documents) {
    const value = { name: "x", list: [1, { deep: null }] };
    assert.equal(await documents.put("key", "k1", value), 1);
    value.list.push(2);
    const first = await documents.get<typeof value>("key", "k1");
    assert.deepEqual(first, { value: { name: "x", list: [1, { deep: null }] }, version: 1 });
    first?.value.list.push(3);
    assert.equal((await documents.get<typeof value>("key", "k1"))?.value.list.length, 2);
    assert.equal(await documents.get("key", "k2"), undefined);
    assert.equal(await documents.get("kez", "k1"), undefined);
  },

  async "counts versions and refuses a put that expected another"(documents) {
    assert.equal(await documents.put("key", "k", 1, 0), 1);
    await refuses("conflict", () => documents.put("key", "k", 2, 0));
    assert.equal(await documents.put("key", "k", 2, 1), 2);
    await refuses("conflict", () => documents.put("key", "k", 3, 1));
    await refuses("conflict", () => documents.put("key", "absent", 3, 1));
    assert.equal(await documents.put("key", "k", 3), 3);
    assert.deepEqual(await documents.get("key", "k"), { value: 3, version: 3 });
  },

  async "lets exactly one of concurrent puts win"(documents) {
    const puts = Array.from({ length: 20 }, (_, index) => documents.put("key", "k", index, 0));
    const results = await Promise.allSettled(puts);
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    assert.deepEqual(await documents.get("key", "k"), { value: 0, version: 1 });
  },

  async "never uses a version twice, not even after a deletion"(documents) {
    await documents.put("key", "k", "old");
    assert.equal(await documents.delete("key", "k"), true);
    assert.equal(await documents.delete("key", "k"), false);
    assert.equal(await documents.get("key", "k"), undefined);
    await refuses("conflict", () => documents.put("key", "k", "stale", 1));
    const version = await documents.put("key", "k", "new", 0);
    await refuses("conflict", () => documents.put("key", "k", "stale", 1));
    assert.deepEqual(await documents.get("key", "k"), { value: "new", version });
  },

  async "lists in the order of code points, by prefix, in pages"(documents) {
    const ids = ["a", "a%", "a/1", "a/2", "a_", "ab", "b", "é", "\uffee", "\u{1f600}"];
    for (const id of [...ids].reverse()) await documents.put("key", id, { id });
    await documents.put("other", "a", 1);
    const list = async (options?: Parameters<Documents["list"]>[1]) =>
      (await documents.list<{ id: string }>("key", options)).map(({ id, value }) => {
        assert.equal(id, value.id);
        return id;
      });
    assert.deepEqual(await list(), ids);
    assert.deepEqual(await list({ limit: 3 }), ["a", "a%", "a/1"]);
    assert.deepEqual(await list({ after: "a/1", limit: 2 }), ["a/2", "a_"]);
    assert.deepEqual(await list({ prefix: "a/" }), ["a/1", "a/2"]);
    assert.deepEqual(await list({ prefix: "a/", after: "a/1" }), ["a/2"]);
    assert.deepEqual(await list({ prefix: "a%" }), ["a%"]);
    assert.deepEqual(await list({ prefix: "a_" }), ["a_"]);
    assert.deepEqual(await list({ prefix: "\u{1f600}" }), ["\u{1f600}"]);
    await documents.delete("key", "a/1");
    assert.deepEqual(await list({ prefix: "a/" }), ["a/2"]);
    assert.deepEqual(await documents.list("nothing"), []);
    await refuses("invalid_request", () => documents.list("key", { limit: -1 }));
  },

  async "is not confused by names and values made to confuse it"(documents) {
    const names = ["__proto__", "constructor", "'; DROP TABLE document; --", "../../etc/passwd", "*", "NULL"];
    const value = JSON.parse('{"__proto__":{"polluted":true},"toString":1}') as object;
    for (const name of names) await documents.put(name, name, value, 0);
    for (const name of names) {
      const found = await documents.get<object>(name, name);
      assert.equal(JSON.stringify(found?.value), JSON.stringify(value));
      assert.deepEqual(
        (await documents.list(name)).map(({ id }) => id),
        [name],
      );
    }
    assert.equal(await documents.get("toString", "x"), undefined);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
    for (const bad of ["", "a\0b", "a\nb", "\ud800", "a\u{10ffff}", "x".repeat(1001)]) {
      await refuses("invalid_request", () => documents.put("key", bad, 1));
      await refuses("invalid_request", () => documents.get(bad, "k"));
    }
    await refuses("invalid_request", () => documents.put("key", "k", undefined));
    await refuses("body_too_large", () => documents.put("key", "k", "x".repeat(17 * 1024 * 1024)));
  },

  async "keeps what was put"(documents, { reopen }) {
    await documents.put("key", "k", { a: 1 });
    await documents.put("key", "gone", 1);
    await documents.delete("key", "gone");
    const again = reopen ? await reopen() : documents;
    assert.deepEqual(await again.get("key", "k"), { value: { a: 1 }, version: 1 });
    assert.equal(await again.put("key", "gone", 1, 0), 3);
  },
};

export function documentsConformance(declare: DeclareTest, open: OpenInstance<Documents>): void {
  declareCases(declare, open, CASES);
}
