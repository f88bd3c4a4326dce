/**
 * The seccomp filter of sandboxed commands: classic BPF over `struct seccomp_data`, made here byte by byte.
 * It removes kernel surface that builds and tests do not need. What namespaces already contain stays allowed:
 * `ptrace` reaches nothing outside the PID namespace (and leak sanitizers, debuggers and tracers need it), and
 * TCP and UDP in an empty network namespace reach nothing but the command's own loopback.
 * Specification: Linux `Documentation/userspace-api/seccomp_filter.rst`, `linux/filter.h`.
 */

import { ARCHITECTURES, type Architecture } from "./syscalls.ts";

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const refuse = (errno: number): number => 0x00050000 | errno;

/** Kernel interfaces with no place in a build: keys, BPF, profiling, mounts, modules, io_uring. */
const REFUSED = [
  "keyctl add_key request_key bpf perf_event_open userfaultfd syslog open_by_handle_at quotactl quotactl_fd",
  "mount umount2 pivot_root move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr setns",
  "kexec_load kexec_file_load init_module finit_module delete_module",
  "io_uring_setup io_uring_enter io_uring_register",
]
  .join(" ")
  .split(" ");

/** Their arguments sit behind a pointer that a filter cannot read; C libraries fall back to the older call. */
const ABSENT = ["clone3", "openat2"];

/** `CLONE_NEW*` except `CLONE_NEWTIME`, which `clone` does not take: namespaces give power over more kernel code. */
const NEW_NAMESPACES = 0x7e020000;
const NEW_TIME = 0x80;

const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const SET_USER_ID = 0o4000;
const O_CREAT_OR_TMPFILE = 0o20000100;

/** Families with a namespace of their own. Others (VSOCK, ALG, PACKET, …) reach the host or rare kernel code. */
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;

/** One instruction of `struct sock_filter`; jumps are relative to the next instruction. */
type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, operand: number];

const load = (offset: number): Instruction => [0x20, 0, 0, offset];
const equal = (value: number, yes: number, no: number): Instruction => [0x15, yes, no, value];
const atLeast = (value: number, yes: number, no: number): Instruction => [0x35, yes, no, value];
const anyBit = (bits: number, yes: number, no: number): Instruction => [0x45, yes, no, bits];
const answer = (action: number): Instruction => [0x06, 0, 0, action];

const NUMBER = load(0);
const ARCHITECTURE = load(4);
/** The low half of an argument, which is all the kernel reads of the arguments judged here (little endian). */
const argument = (index: number): Instruction => load(16 + 8 * index);

/** Judges a call whose number is loaded; when it does not match, goes on with the number still loaded. */
function when(number: number | undefined, body: readonly Instruction[]): Instruction[] {
  return number === undefined ? [] : [equal(number, 0, body.length), ...body];
}

function refuseBits(index: number, bits: number): Instruction[] {
  return [argument(index), anyBit(bits, 0, 1), answer(refuse(EPERM)), answer(ALLOW)];
}

/** Creating a file: the mode counts only when the flags say so, else the argument is noise. */
function refuseSetUserIdOnCreate(flags: number, mode: number): Instruction[] {
  return [argument(flags), anyBit(O_CREAT_OR_TMPFILE, 1, 0), answer(ALLOW), ...refuseBits(mode, SET_USER_ID)];
}

const SOCKET: readonly Instruction[] = [
  argument(0),
  equal(AF_UNIX, 6, 0),
  equal(AF_INET, 5, 0),
  equal(AF_INET6, 4, 0),
  equal(AF_NETLINK, 0, 2),
  argument(2), // protocol: NETLINK_ROUTE lists interfaces; other protocols speak to the host's kernel services
  equal(0, 1, 0),
  answer(refuse(EAFNOSUPPORT)),
  answer(ALLOW),
];

function instructions({ audit, limit, numbers }: Architecture): Instruction[] {
  return [
    ARCHITECTURE,
    equal(audit, 1, 0),
    answer(KILL),
    NUMBER,
    ...(limit === undefined ? [] : [atLeast(limit, 0, 1), answer(KILL)]),
    // Frequent calls first: the filter runs at every one of them.
    ...when(numbers["openat"], refuseSetUserIdOnCreate(2, 3)),
    ...when(numbers["open"], refuseSetUserIdOnCreate(1, 2)),
    ...when(numbers["ioctl"], [
      argument(1),
      equal(TIOCSTI, 1, 0),
      equal(TIOCLINUX, 0, 1),
      answer(refuse(EPERM)),
      answer(ALLOW),
    ]),
    ...when(numbers["socket"], SOCKET),
    ...when(numbers["socketpair"], [
      argument(0),
      equal(AF_UNIX, 1, 0),
      answer(refuse(EAFNOSUPPORT)),
      answer(ALLOW),
    ]),
    ...when(numbers["clone"], refuseBits(0, NEW_NAMESPACES)),
    ...when(numbers["unshare"], refuseBits(0, NEW_NAMESPACES | NEW_TIME)),
    ...when(numbers["chmod"], refuseBits(1, SET_USER_ID)),
    ...when(numbers["fchmod"], refuseBits(1, SET_USER_ID)),
    ...when(numbers["fchmodat"], refuseBits(2, SET_USER_ID)),
    ...when(numbers["fchmodat2"], refuseBits(2, SET_USER_ID)),
    ...when(numbers["creat"], refuseBits(1, SET_USER_ID)),
    ...when(numbers["mknod"], refuseBits(1, SET_USER_ID)),
    ...when(numbers["mknodat"], refuseBits(2, SET_USER_ID)),
    ...ABSENT.flatMap((name) => when(numbers[name], [answer(refuse(ENOSYS))])),
    ...REFUSED.flatMap((name) => when(numbers[name], [answer(refuse(EPERM))])),
    answer(ALLOW),
  ];
}

/** The filter's bytes for `architecture` (Node's `process.arch`); `undefined` where its call numbers are not known. */
export function seccompFilter(architecture: string): Buffer | undefined {
  const known = ARCHITECTURES[architecture];
  if (known === undefined) return undefined;
  const program = instructions(known);
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, jumpTrue, jumpFalse, operand], index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jumpTrue, index * 8 + 2);
    bytes.writeUInt8(jumpFalse, index * 8 + 3);
    bytes.writeUInt32LE(operand >>> 0, index * 8 + 4);
  });
  return bytes;
}
