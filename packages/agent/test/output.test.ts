/** Output in bounded memory: nothing lost while it fits, both ends kept when not, characters never halved. */

import { expect, test } from "vitest";
import { cutText, HeadTail, textWithin } from "../src/output.ts";

test("every split of a text into chunks gives the same ends", () => {
  const bytes = Buffer.from(
    Array.from({ length: 100 }, (_, i) => String.fromCharCode(33 + (i % 90))).join(""),
  );
  for (let size = 1; size <= bytes.length; size++) {
    for (const length of [0, 5, 10, 17, 18, 19, 30, 100]) {
      const kept = new HeadTail(10, 8);
      const given = bytes.subarray(0, length);
      for (let at = 0; at < length; at += size) kept.push(given.subarray(at, at + size));
      const { head, tail, bytes: total } = kept.snapshot();
      expect(total).toBe(length);
      expect(head.toString()).toBe(given.subarray(0, 10).toString());
      expect(tail.toString()).toBe(given.subarray(Math.max(10, length - 8)).toString());
    }
  }
});

test("what fits is whole, what does not says how much is missing", () => {
  const kept = new HeadTail(10, 8);
  kept.push(Buffer.from("0123456789abcdefgh"));
  expect(textWithin(kept.snapshot(), 18)).toBe("0123456789abcdefgh");
  expect(textWithin(kept.snapshot(), 8)).toBe("0123\n[… 3 tokens (10 bytes) left out here …]\nefgh");
  kept.push(Buffer.from("ij"));
  expect(textWithin(kept.snapshot(), 1000)).toBe(
    "0123456789\n[… 1 tokens (2 bytes) left out here …]\ncdefghij",
  );
  expect(cutText("short", 10)).toBe("short");
});

test("characters are cut whole at every limit", () => {
  const text = "aé€😀".repeat(20);
  for (let limit = 1; limit < Buffer.byteLength(text); limit++) {
    const [head, tail] = textWithin(
      { head: Buffer.from(text), tail: Buffer.alloc(0), bytes: Buffer.byteLength(text) },
      limit,
    ).split(/\n\[.*\]\n/);
    expect(text.startsWith(head!)).toBe(true);
    expect(text.endsWith(tail!)).toBe(true);
    expect(Buffer.byteLength(head! + tail!)).toBeLessThanOrEqual(limit + 1);
  }
});

test("a binary file does not grow", () => {
  const noise = Buffer.alloc(40_000, 0xc3);
  expect(
    Buffer.byteLength(textWithin({ head: noise, tail: Buffer.alloc(0), bytes: 40_000 }, 4000)),
  ).toBeLessThan(4100);
});
