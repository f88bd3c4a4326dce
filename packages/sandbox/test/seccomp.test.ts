/** The filter's logic on both architectures, run by an interpreter of classic BPF; the real kernel judges in `escapes-kernel`. */

import { describe, expect, test } from "vitest";
import { seccompFilter } from "../src/linux/seccomp.ts";
import { ARCHITECTURES } from "../src/linux/syscalls.ts";

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const errno = (number: number) => 0x00050000 | number;

/** `struct seccomp_data`: number, architecture, instruction pointer, six arguments. */
function judge(
  architecture: string,
  call: number,
  args: readonly number[] = [],
  audit = ARCHITECTURES[architecture]!.audit,
): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call >>> 0, 0);
  data.writeUInt32LE(audit >>> 0, 4);
  args.forEach((arg, index) => void data.writeBigUInt64LE(BigInt(arg), 16 + 8 * index));
  return interpret(seccompFilter(architecture)!, data);
}

function interpret(program: Buffer, data: Buffer): number {
  let accumulator = 0;
  for (let at = 0; ; at += 1) {
    if (at * 8 >= program.length) throw new Error("the program runs past its end");
    const code = program.readUInt16LE(at * 8);
    const [yes, no, k] = [program[at * 8 + 2]!, program[at * 8 + 3]!, program.readUInt32LE(at * 8 + 4)];
    if (code === 0x06) return k;
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x15) at += accumulator === k ? yes : no;
    else if (code === 0x35) at += accumulator >= k ? yes : no;
    else if (code === 0x45) at += (accumulator & k) !== 0 ? yes : no;
    else throw new Error(`instruction ${code} is not expected`);
  }
}

describe.each(["x64", "arm64"])("%s", (architecture) => {
  const { numbers, audit } = ARCHITECTURES[architecture]!;
  const call = (name: string, ...args: number[]) => judge(architecture, numbers[name]!, args);

  test("every named call has a verdict, and calls without a name are allowed", () => {
    const judged = [
      "ioctl",
      "socket",
      "socketpair",
      "clone",
      "unshare",
      "open",
      "openat",
      "creat",
      "chmod",
      "fchmod",
      "fchmodat",
      "fchmodat2",
      "mknod",
      "mknodat",
    ];
    for (const [name, number] of Object.entries(numbers)) {
      const verdict = judge(architecture, number, [1, 0, 0, 0]);
      const expected = ["clone3", "openat2"].includes(name)
        ? errno(38)
        : judged.includes(name)
          ? ALLOW
          : errno(1);
      expect([name, verdict]).toEqual([name, expected]);
    }
    const named = new Set(Object.values(numbers));
    for (let number = 0; number < 480; number += 1)
      if (!named.has(number)) expect(judge(architecture, number)).toBe(ALLOW);
  });

  test("sockets by family, and the high half of an argument is no way round", () => {
    for (const family of [1, 2, 10]) expect(call("socket", family, 1, 0)).toBe(ALLOW);
    for (const family of [0, 3, 17, 38, 40, 44]) expect(call("socket", family, 1, 0)).toBe(errno(97));
    expect(call("socket", 16, 3, 0)).toBe(ALLOW);
    expect(call("socket", 16, 3, 9)).toBe(errno(97));
    expect(call("socket", 2 ** 32 + 40, 1, 0)).toBe(errno(97));
    expect(call("socketpair", 1, 1, 0)).toBe(ALLOW);
    expect(call("socketpair", 30, 1, 0)).toBe(errno(97));
    expect(call("ioctl", 0, 0x5412)).toBe(errno(1));
    expect(call("ioctl", 0, 2 ** 32 + 0x5412)).toBe(errno(1));
    expect(call("ioctl", 0, 0x541c)).toBe(errno(1));
    expect(call("ioctl", 0, 0x5413)).toBe(ALLOW);
  });

  test("new namespaces are refused, threads and processes are not", () => {
    for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
      expect(call("clone", flag | 17)).toBe(errno(1));
      expect(call("unshare", flag)).toBe(errno(1));
    }
    expect(call("unshare", 0x80)).toBe(errno(1));
    expect(call("clone", 0x3d0f00)).toBe(ALLOW); // a thread
    expect(call("clone", 0x1200011)).toBe(ALLOW); // fork
    expect(call("unshare", 0x200)).toBe(ALLOW); // CLONE_FS
  });

  test("set-user-id modes are refused where a mode counts", () => {
    expect(call("fchmodat", 0, 0, 0o4755)).toBe(errno(1));
    expect(call("fchmodat", 0, 0, 0o2755)).toBe(ALLOW);
    expect(call("fchmod", 0, 0o4000)).toBe(errno(1));
    expect(call("fchmodat2", 0, 0, 0o4755)).toBe(errno(1));
    expect(call("mknodat", 0, 0, 0o104755)).toBe(errno(1));
    expect(call("openat", 0, 0, 0o101, 0o4755)).toBe(errno(1));
    expect(call("openat", 0, 0, 0o20200000, 0o4755)).toBe(errno(1)); // O_TMPFILE
    expect(call("openat", 0, 0, 0, 0o4755)).toBe(ALLOW); // no file is made: the mode is noise
  });

  test("another architecture is killed", () => {
    expect(judge(architecture, 0, [], 0x40000003)).toBe(KILL);
    expect(judge(architecture, 0, [], audit ^ 1)).toBe(KILL);
    if (architecture === "x64") expect(judge(architecture, 0x40000000)).toBe(KILL);
  });
});

test("an architecture whose numbers are not known has no filter", () => {
  expect(seccompFilter("riscv64")).toBeUndefined();
});
