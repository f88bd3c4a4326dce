/** Ways out through processes, the kernel, sockets and descriptors, tried on the real kernel. */

import { spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ARCHITECTURES } from "../src/linux/syscalls.ts";
import { makeWorld, processes, requireBubblewrap, SECRET, until } from "./world.ts";

beforeAll(requireBubblewrap);

const NODE = `"${process.execPath}"`;
const numbers = ARCHITECTURES[process.arch]!.numbers;

/** A Perl program's own system call: prints the answer or the errno. */
const call = (name: string, ...args: (string | number)[]): string =>
  `perl -e 'my $r = syscall(${[numbers[name], ...args].join(", ")}); print $r < 0 ? "${name} ".($!+0)."\\n" : "${name} ok\\n"'`;

async function listen(server: Server, address: string | number): Promise<void> {
  onTestFinished(() => void server.close());
  await new Promise<void>((done) =>
    typeof address === "number" ? server.listen(address, "127.0.0.1", done) : server.listen(address, done),
  );
}

/** Sockets are covered once they are a second old. */
const settle = () => new Promise((next) => setTimeout(next, 1_100));

/** Connects in the sandbox; prints what happened. */
const connect = (to: string): string =>
  `${NODE} -e 'require("net").connect(${to}).on("connect", () => { console.log("connected"); process.exit() }).on("error", (e) => console.log(e.code))'`;

describe("processes", () => {
  test("host processes cannot be seen, signalled or traced", async () => {
    const { sh } = makeWorld();
    const victim = spawn("/bin/sleep", ["600"]);
    onTestFinished(() => void victim.kill());
    const targets = `${process.pid} ${victim.pid}`;
    const { output } =
      await sh(`for pid in ${targets}; do kill -0 $pid && echo alive; kill -9 $pid && echo killed
      cat /proc/$pid/environ && echo seen; perl -e 'print "traced\\n" if syscall(${process.arch === "x64" ? 101 : 117}, 16, '$pid', 0, 0) == 0'; done 2>/dev/null
      kill -9 -1; ls /proc | grep -c '^[0-9]'`);
    expect(output).not.toMatch(/alive|killed|seen|traced/);
    expect(victim.exitCode).toBeNull();
    expect(victim.signalCode).toBeNull();
  });

  test("a command's own children can be traced, as sanitizers and debuggers do", async () => {
    const { sh } = makeWorld();
    const ptrace = process.arch === "x64" ? 101 : 117;
    const { output } = await sh(
      `perl -e 'my $p = fork; if (!$p) { sleep 5; exit } print syscall(${ptrace}, 16, $p, 0, 0) == 0 ? "own\\n" : "no\\n"; kill 9, $p'`,
    );
    expect(output).toBe("own\n");
  });

  test("the init of the sandbox leads nowhere: not its root, its memory or its environment", async () => {
    const { sh, user } = makeWorld();
    const { output } = await sh(`ls /proc/1/root/oldroot; cat /proc/1/root${user}/.aws/credentials
      echo x > /proc/1/mem && echo wrote; echo x > /proc/$PPID/mem && echo wrote; tr '\\0' '\\n' < /proc/1/environ | grep -c VITEST`);
    expect(output).not.toMatch(/canary|wrote/);
    expect(output).toMatch(/^0$/m);
  });

  test("kernel settings are out of reach, also for root without capabilities", async () => {
    const { sh } = makeWorld({ policy: { roots: ["/"], unreadable: [], protectedNames: [] } });
    const before = readFileSync("/proc/sys/kernel/core_pattern", "utf8").trim();
    // Each would write what is there already.
    const { output } = await sh(
      `echo '${before}' > /proc/sys/kernel/core_pattern && echo wrote
       for f in /proc/sys/vm/overcommit_memory /proc/sys/kernel/hostname /proc/sys/fs/file-max /sys/kernel/mm/transparent_hugepage/enabled; do
         [ -e $f ] && cat $f > /tmp/moho-v && (cat /tmp/moho-v > $f) && echo wrote; done
       (echo > /proc/sysrq-trigger) && echo wrote; rm -f /tmp/moho-v; echo end`,
      { cwd: "/" },
    );
    expect(output).not.toContain("wrote");
    expect(output).toContain("end");
  });

  test("no capability, no new privilege, no other user", async () => {
    const { sh } = makeWorld();
    const { output } = await sh(
      `grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; id -u; su -c id; mount -o remount,rw /; mount -t tmpfs none /mnt; umount /proc; chroot / true; mknod dev c 1 1; hostname other`,
    );
    expect(output.match(/^Cap\w+:\s+0+$/gm)).toHaveLength(5);
    expect(output).toMatch(/NoNewPrivs:\s1/);
    expect(output).toMatch(/Seccomp:\s2/);
    expect(output).toContain(`\n${process.getuid!()}\n`);
    expect(output).not.toMatch(/uid=/);
  });

  test("kill reaches the whole tree, also what left its session", async () => {
    const { start } = makeWorld();
    const mark = `54321.${process.pid}`;
    const running = await start(
      `setsid sleep ${mark} & (sleep ${mark} &) ; nohup sleep ${mark} & echo ready; wait`,
    );
    await new Promise<void>((done) => running.onOutput(() => done()));
    expect(processes(mark)).toBeGreaterThanOrEqual(3);
    running.kill();
    expect(await running.exited).toMatchObject({ signal: "SIGKILL" });
    await until(() => processes(mark) === 0);
  });

  test("kill works at any moment of the start", async () => {
    const { start } = makeWorld();
    const mark = `54322.${process.pid}`;
    for (const wait of [0, 0, 1, 2, 3, 4, 6]) {
      const running = await start(`sleep ${mark}`);
      if (wait > 0) await new Promise((next) => setTimeout(next, wait));
      running.kill();
      await running.exited;
    }
    await until(() => processes(mark) === 0 && processes("bwrap", process.pid) === 0);
  });

  test("nothing outlives its command, and close ends what still runs", async () => {
    const { sh, start, environment } = makeWorld();
    const mark = `54323.${process.pid}`;
    expect((await sh(`setsid sleep ${mark} & echo done`)).output).toBe("done\n");
    await until(() => processes(mark) === 0);
    await start(`sleep ${mark}`);
    await environment.close();
    await until(() => processes(mark) === 0);
  });

  test("a Moho that is killed takes its commands with it", async () => {
    const { base, root, moho } = makeWorld();
    const mark = `54324.${process.pid}`;
    const script = join(base, "moho.mjs");
    const front = join(import.meta.dirname, "../src/index.ts");
    writeFileSync(
      script,
      `import { createEnvironment } from ${JSON.stringify(front)};
       const policy = { mode: "workspace-write", roots: [${JSON.stringify(root)}], network: false, protectedNames: [".git"], unreadable: [], tmpWritable: false };
       const environment = createEnvironment({ policy, home: ${JSON.stringify(moho)} });
       const running = await environment.start({ argv: ["/bin/sh", "-c", "setsid sleep ${mark} & echo ready; wait"], cwd: ${JSON.stringify(root)}, env: { PATH: "/usr/bin:/bin" } });
       running.onOutput((chunk) => process.stdout.write(chunk));`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((ready) => child.stdout.once("data", ready));
    expect(processes(mark)).toBeGreaterThan(0);
    child.kill("SIGKILL");
    await new Promise((gone) => child.once("exit", gone));
    await until(() => processes(mark) === 0);
    const next = makeWorld({ policy: { roots: [root], protectedNames: [".git"] } });
    await next.sh("true", { cwd: root });
    await next.environment.close();
    expect(readdirSync(root)).toEqual([]);
  });
});

describe("system calls", () => {
  test("kernel surface that builds do not need is refused", async () => {
    const { sh } = makeWorld();
    const calls = [
      ...["keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup"],
      ...[
        "open_by_handle_at",
        "mount",
        "umount2",
        "pivot_root",
        "move_mount",
        "open_tree",
        "fsopen",
        "fsmount",
      ],
      ...["mount_setattr", "setns", "kexec_load", "init_module", "finit_module", "delete_module", "syslog"],
    ];
    const { output } = await sh(calls.map((name) => call(name, 0, 0, 0, 0, 0)).join("\n"));
    expect(output.trim().split("\n")).toEqual(calls.map((name) => `${name} 1`));
  });

  test("namespaces cannot be made, by any of the three calls", async () => {
    const { sh } = makeWorld();
    const { output } = await sh(
      `${call("unshare", 0x10000000)}; ${call("unshare", 0x20000)}; ${call("clone", 0x10000011, 0, 0, 0, 0)}; ${call("clone3", 0, 0)}
       unshare -r true; unshare -Ur id; bwrap --ro-bind / / true; echo end`,
    );
    expect(output).toMatch(/^unshare 1\nunshare 1\nclone 1\nclone3 38\n/);
    expect(output).not.toMatch(/uid=0/);
  });

  test("sockets of families that reach the host or rare kernel code do not exist", async () => {
    const { sh } = makeWorld();
    const families = {
      unix: 1,
      inet: 2,
      inet6: 10,
      route: "16, 3, 0",
      audit: "16, 3, 9",
      packet: 17,
      alg: 38,
      vsock: 40,
    };
    const lines = Object.entries(families).map(([name, family]) => {
      const args = typeof family === "string" ? family : `${family}, 1, 0`;
      return `echo -n "${name}: "; ${call("socket", args)}`;
    });
    const { output } = await sh(lines.join("\n"));
    const allowed = output.split("\n").filter((line) => line.endsWith(" ok"));
    expect(allowed.map((line) => line.split(":")[0])).toEqual(["unix", "inet", "inet6", "route"]);
    expect(output.match(/ 97$/gm)).toHaveLength(4);
  });

  test.runIf(process.arch === "x64")("another calling convention ends the process", async () => {
    const { sh } = makeWorld();
    const { output, code } = await sh(`perl -e 'syscall(0x40000000 + 39); print "alive\\n"'`);
    expect(output).not.toContain("alive");
    expect(code).toBe(128 + 31); // SIGSYS
  });

  test("input cannot be pushed into a terminal", async () => {
    const { sh } = makeWorld();
    const script = `perl -e 'my $c = "x"; print ioctl(STDIN, 0x5412, $c) ? "pushed" : "refused $!"; print ioctl(STDIN, 0x1000000000 + 0x5412, $c) ? "pushed" : ""'`;
    const { output } = await sh(script, { tty: true });
    expect(output).toContain("refused Operation not permitted");
    expect(output).not.toContain("pushed");
  });
});

describe("network off", () => {
  test("TCP, UDP and names reach nothing; the command's own loopback works", async () => {
    const { sh } = makeWorld();
    const server = createServer();
    await listen(server, 0);
    const { port } = server.address() as { port: number };
    const udp = createSocket("udp4");
    onTestFinished(() => void udp.close());
    await new Promise<void>((done) => udp.bind(0, "127.0.0.1", done));
    let heard = 0;
    udp.on("message", () => {
      heard += 1;
    });
    const { output } = await sh(`${connect(`${port}, "127.0.0.1"`)}
      ${NODE} -e 'const s = require("dgram").createSocket("udp4"); s.send("x", ${udp.address().port}, "127.0.0.1", () => s.close())'
      ${NODE} -e 'require("dns").lookup("example.com", (e) => console.log(e ? "dns " + e.code : "resolved"))'
      ${NODE} -e 'require("net").connect(53, "192.0.2.1").on("connect", () => console.log("out")).on("error", (e) => console.log("far", e.code))'
      ${NODE} -e 'const s = require("http").createServer((q, r) => r.end("local")); s.listen(0, "127.0.0.1", async () => { console.log(await (await fetch("http://127.0.0.1:" + s.address().port)).text()); s.close() })'`);
    expect(output).toContain("ECONNREFUSED");
    expect(output).toMatch(/dns E/);
    expect(output).toMatch(/far E(NETUNREACH|HOSTUNREACH)/);
    expect(output).toContain("local");
    expect(output).not.toMatch(/^(connected|resolved|out)$/m);
    expect(heard).toBe(0);
  });

  test("sockets of the host, with a path or abstract, cannot be connected to; own ones can", async () => {
    const { sh, base, root } = makeWorld({ prepare: ({ base }) => mkdirSync(join(base, "run")) });
    const paths = [join(base, "run/docker.sock"), join(root, "in-root.sock")];
    for (const path of paths) await listen(createServer(), path);
    const abstract = `moho-${process.pid}`;
    await listen(createServer(), `\0${abstract}`);
    await settle();
    const { output } = await sh(`${paths.map((path) => connect(JSON.stringify(path))).join("\n")}
      ${connect(JSON.stringify(`\0${abstract}`))}
      mv ${base}/run ${base}/moved; mv in-root.sock other.sock; ${connect('"other.sock"')}
      ${NODE} -e 'const n = require("net"), s = n.createServer((c) => c.end("own")); s.listen("mine.sock", () => n.connect("mine.sock").on("data", (d) => { console.log(d + ""); s.close() }))'`);
    expect(output).not.toContain("connected");
    expect(output).toContain("own");
  });

  test("a socket in a directory that a command renames stays out of reach of the next one", async () => {
    const { sh, root } = makeWorld({ prepare: ({ root }) => mkdirSync(join(root, "tmux")) });
    await listen(createServer(), join(root, "tmux/default"));
    await settle();
    const { output } = await sh(`mv tmux elsewhere && echo moved; ${connect('"tmux/default"')}`);
    expect(output).not.toMatch(/connected|^moved/m);
    expect((await sh(connect('"elsewhere/default"'))).output).not.toContain("connected");
  });

  test("/run starts out empty", async () => {
    const { sh } = makeWorld();
    expect(
      (await sh("find /run -type s; ls /run/user /run/dbus /var/run/docker.sock 2>/dev/null; echo end"))
        .output,
    ).toBe("end\n");
  });
});

test("network on: the host's loopback can be reached, its sockets with a path still not, the project's own can", async () => {
  const { sh, base, root } = makeWorld({ policy: { network: true } });
  const server = createServer();
  await listen(server, 0);
  await listen(createServer(), join(base, "agent.sock"));
  await listen(createServer(), join(root, "own.sock"));
  const { port } = server.address() as { port: number };
  await settle();
  const { output } = await sh(
    `${connect(`${port}, "127.0.0.1"`)}; ${connect(JSON.stringify(join(base, "agent.sock")))}; ${connect('"own.sock"')}`,
  );
  expect(output).toMatch(/^connected\nE\w+\nconnected\n$/);
});

test.runIf(process.getuid?.() === 0)("a host socket mounted into this container is covered too", async () => {
  const { base, root, moho } = makeWorld();
  await listen(createServer(), join(base, "daemon.sock"));
  writeFileSync(join(base, "docker.sock"), "");
  writeFileSync(join(base, "try.sh"), connect(JSON.stringify(join(base, "docker.sock"))));
  const script = join(base, "moho.mjs");
  const front = join(import.meta.dirname, "../src/index.ts");
  writeFileSync(
    script,
    `import { createEnvironment } from ${JSON.stringify(front)};
     const policy = { mode: "workspace-write", roots: ["${root}"], network: false, protectedNames: [], unreadable: [], tmpWritable: false };
     const environment = createEnvironment({ policy, home: "${moho}" });
     for (const unsandboxed of [true, false]) {
       const running = await environment.start({ argv: ["/bin/sh", "${base}/try.sh"], cwd: "/", env: { PATH: "/usr/bin:/bin" }, unsandboxed });
       running.onOutput((chunk) => process.stdout.write(chunk));
       await running.exited;
     }
     await environment.close();`,
  );
  // Its own network namespace, so that only the mount table tells of the socket.
  const command = `mount --bind ${base}/daemon.sock ${base}/docker.sock && exec ${NODE} ${script}`;
  const child = spawn("unshare", ["-mn", "--propagation", "private", "/bin/sh", "-c", command]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  await new Promise((done) => child.once("close", done));
  expect(output).toMatch(/^connected\nE[A-Z]+\n$/);
});

test("/dev is minimal and private", async () => {
  const { sh } = makeWorld();
  const { output } = await sh(
    "ls -d /dev/*; ls /dev/shm; find /dev -type b; echo x > /dev/shm/moho-x; cat /dev/kmsg /dev/mem; head -c1 /dev/urandom | wc -c",
  );
  expect(output.match(/^\/dev\/\w+$/gm)?.sort()).toEqual(
    "console core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
      .split(" ")
      .filter((name) => output.includes(`/dev/${name}\n`))
      .map((name) => `/dev/${name}`),
  );
  expect(output).not.toMatch(/vd|sd|nvme|kvm|mapper/);
  expect(readdirSync("/dev/shm")).not.toContain("moho-x");
});

test("descriptors that Moho inherited do not reach commands, sandboxed or not", () => {
  const base = mkdtempSync("/var/tmp/moho-fd-");
  onTestFinished(() => rmSync(base, { recursive: true }));
  writeFileSync(join(base, "secret"), SECRET);
  const script = join(base, "moho.mjs");
  const front = join(import.meta.dirname, "../src/index.ts");
  writeFileSync(
    script,
    `import { mkdirSync } from "node:fs";
     import { createEnvironment } from ${JSON.stringify(front)};
     mkdirSync("${base}/root");
     const policy = { mode: "workspace-write", roots: ["${base}/root"], network: false, protectedNames: [".git"], unreadable: ["${base}/secret"], tmpWritable: false };
     const environment = createEnvironment({ policy, home: "${base}/home" });
     for (const unsandboxed of [false, true]) {
       const running = await environment.start({ argv: ["/bin/bash", "-c", "for f in /proc/$$/fd/*; do readlink $f; done; cat <&77; cat <&200"], cwd: "/", env: { PATH: "/usr/bin:/bin" }, unsandboxed });
       running.onOutput((chunk) => process.stdout.write(chunk));
       await running.exited;
     }
     await environment.close();`,
  );
  const command = `exec 77<${base}/secret 200<${base}/secret; exec ${NODE} ${script}`;
  const { stdout, stderr } = spawnSync("/bin/bash", ["-c", command], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).not.toContain("canary");
  expect(stdout).not.toContain("/secret");
  expect(stdout.match(/\/dev\/null/g)?.length).toBeGreaterThanOrEqual(4);
});

test("loader variables act on the command, not on the sandbox program", async () => {
  const { sh } = makeWorld();
  const env = { PATH: "/usr/bin:/bin", LD_PRELOAD: "/nonexistent/evil.so" };
  const { output } = await sh("echo $LD_PRELOAD", { env });
  expect(output.match(/ld\.so/g)).toHaveLength(1); // bash's own complaint; bwrap would add another
  expect(output).toContain("\n/nonexistent/evil.so\n");
});

test.runIf(process.getuid?.() === 0)("the same holds for an unprivileged user", async () => {
  const world = makeWorld({
    uid: 65534,
    bubblewrap: unprivilegedBubblewrap(),
  });
  const { output } =
    await world.sh(`id -u; touch a && echo wrote; touch .git/x ${world.base}/out /tmp/moho-x; cat ${world.user}/.aws/credentials; ls -A
    echo core > /proc/sys/kernel/core_pattern; grep CapEff /proc/self/status`);
  expect(output).toMatch(/^65534\nwrote\n/);
  expect(output.match(/cannot touch/g)).toHaveLength(3);
  expect(output).not.toContain(SECRET);
  expect(output).toMatch(/CapEff:\s0+$/m);
});

/** Root drops to nobody before bwrap starts. */
function unprivilegedBubblewrap(): string {
  const directory = mkdtempSync("/var/tmp/moho-nobody-");
  onTestFinished(() => rmSync(directory, { recursive: true }));
  spawnSync("chmod", ["755", directory]);
  const program = join(directory, "bwrap");
  writeFileSync(program, `#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups bwrap "$@"\n`, {
    mode: 0o755,
  });
  return program;
}
