/** What people do all day still works inside the sandbox. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { makeWorld, requireBubblewrap } from "./world.ts";

beforeAll(requireBubblewrap);

const NODE = `"${process.execPath}"`;

describe.each([false, true])("unsandboxed: %s", (unsandboxed) => {
  test("output of both streams comes in order, through pipes that can be reopened", async () => {
    const { sh } = makeWorld();
    const script = `for i in $(seq 200); do echo o$i; echo e$i >&2; done; echo reopened > /dev/stderr; echo again > /dev/stdout; cat < <(echo substituted)`;
    const { output } = await sh(script, { unsandboxed });
    const expected = Array.from({ length: 200 }, (_, index) => `o${index + 1}\ne${index + 1}\n`).join("");
    expect(output).toBe(`${expected}reopened\nagain\nsubstituted\n`);
  });

  test("input is written, closed, or empty from the start", async () => {
    const { start, sh } = makeWorld();
    const running = await start("read line; echo got $line; cat; echo end", { input: "open", unsandboxed });
    let output = "";
    running.onOutput((chunk) => {
      output += chunk;
    });
    running.write("one\n");
    running.write("two\n");
    running.closeInput();
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(output).toBe("got one\ntwo\nend\n");
    expect((await sh("cat; cat /dev/stdin; echo end", { unsandboxed })).output).toBe("end\n");
  });

  test("a command that ignores its input is no failure", async () => {
    const { start } = makeWorld();
    const running = await start("exec <&-; sleep 0.1; exit 7", { input: "open", unsandboxed });
    running.onOutput(() => {});
    for (let count = 0; count < 50; count += 1) running.write("x".repeat(10_000));
    expect(await running.exited).toMatchObject({ code: 7 });
    running.write("late");
    running.closeInput();
    running.kill();
  });

  test("the environment is exactly what the command was given", async () => {
    const { environment, root } = makeWorld();
    const env = { PATH: "/usr/bin:/bin", ODD: "a=b\nc", LD_ODD: "x y" };
    const running = await environment.start({ argv: ["env", "-0"], cwd: root, env, unsandboxed });
    let output = "";
    running.onOutput((chunk) => {
      output += chunk;
    });
    await running.exited;
    const given = output.split("\0").filter((line) => line !== "" && !line.startsWith("PWD="));
    expect(given.sort()).toEqual(["LD_ODD=x y", "ODD=a=b\nc", "PATH=/usr/bin:/bin"]);
  });

  test("exit codes and signals are told", async () => {
    const { sh } = makeWorld();
    expect((await sh("exit 42", { unsandboxed })).code).toBe(42);
    const killed = await sh("kill -TERM $$", { unsandboxed });
    expect(unsandboxed ? killed.signal : killed.code).toBe(unsandboxed ? "SIGTERM" : 128 + 15);
  });

  test("fifty megabytes arrive whole, and wait while nobody listens", async () => {
    const { start } = makeWorld();
    const running = await start("head -c 52428800 /dev/zero | tr '\\0' 'x'; echo end", { unsandboxed });
    await new Promise((next) => setTimeout(next, 50));
    const hash = createHash("sha256");
    let bytes = 0;
    running.onOutput((chunk) => {
      hash.update(chunk);
      bytes += chunk.length;
    });
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(bytes).toBe(52_428_804);
    expect(hash.digest("hex")).toBe(
      createHash("sha256").update(Buffer.alloc(52_428_800, "x")).update("end\n").digest("hex"),
    );
  });

  test("output of a command that ended before anybody listened is not lost", async () => {
    const { start } = makeWorld();
    const running = await start("echo early; echo bird >&2", { unsandboxed });
    await running.exited;
    let output = "";
    running.onOutput((chunk) => {
      output += chunk;
    });
    expect(output).toBe("early\nbird\n");
  });

  test("a background child does not keep the command open", async () => {
    const { sh } = makeWorld();
    expect(await sh("sleep 3 & echo started", { unsandboxed })).toEqual({
      output: "started\n",
      code: 0,
      signal: null,
    });
  });

  test("a program on a terminal sees one, and keys reach it", async () => {
    const { start } = makeWorld();
    const env = { PATH: "/usr/bin:/bin", SHELL: "/bin/odd 'shell'", TERM: "xterm" };
    const running = await start(
      `tty; stty size; printf '%s\\n' "$SHELL"; read -r line; echo "got [$line]"; sleep 60`,
      {
        tty: true,
        env,
        unsandboxed,
      },
    );
    let output = "";
    const has = (text: string) =>
      new Promise<void>((done) => {
        const timer = setInterval(() => {
          if (!output.includes(text)) return;
          clearInterval(timer);
          done();
        }, 5);
      });
    running.onOutput((chunk) => {
      output += chunk;
    });
    await has("odd");
    running.write("it's me\n");
    await has("got [it's me]");
    running.write("\x03"); // the terminal turns it into an interrupt
    expect((await running.exited).code).toBe(130);
    expect(output).toMatch(/^\/dev\/pts\/\d+\r\n24 80\r\n\/bin\/odd 'shell'\r\n/);
  });

  test("what cannot be started says why", async () => {
    const { environment, sh, root } = makeWorld();
    const env = { PATH: "/usr/bin:/bin" };
    const run = async (argv: string[], cwd = root) =>
      (await environment.start({ argv, cwd, env, unsandboxed })).exited;
    expect((await run(["no-such-program"])).error).toBe("no-such-program was not found on PATH");
    expect((await run(["./missing"])).error).toBe("./missing does not exist or is not executable");
    expect((await run(["ls"], join(root, "gone"))).error).toMatch(/working directory .* does not exist/);
    expect((await run([])).error).toBe("no command was given");
    expect((await run(["/bin/echo", "x".repeat(3_000_000)])).error).toMatch(/E2BIG/);
    expect((await sh("echo still works", { unsandboxed })).output).toBe("still works\n");
  });

  test("many commands at once", async () => {
    const { sh } = makeWorld();
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) => sh(`echo ${index}`, { unsandboxed })),
    );
    expect(all.map(({ output }) => output)).toEqual(Array.from({ length: 20 }, (_, index) => `${index}\n`));
  });
});

test("a sandbox that cannot be set up is an error, not an exit code", async () => {
  const { sh, user } = makeWorld();
  const outcome = await sh("echo ran", { cwd: join(user, ".aws") });
  expect(outcome).toMatchObject({
    code: null,
    error: expect.stringMatching(/could not be set up: bwrap: Can't chdir/),
  });
  expect(outcome.output).toBe("");
  expect(await sh("echo bwrap: is my own word; exit 3")).toMatchObject({
    output: "bwrap: is my own word\n",
    code: 3,
  });
});

test("a sandbox that fails because the disk changed under it is set up anew", async () => {
  const { base } = makeWorld();
  const wrapper = join(base, "bwrap");
  writeFileSync(
    wrapper,
    `#!/bin/sh\n[ -e ${base}/failed ] && exec bwrap "$@"
    case "$*" in */bin/bash*) touch ${base}/failed; echo "bwrap: Can't mkdir parents for /tmp/x.sock" >&2; exit 1;; *) exec bwrap "$@";; esac\n`,
  );
  chmodSync(wrapper, 0o755);
  const { start } = makeWorld({ bubblewrap: wrapper });
  const running = await start("read line; echo got $line", { input: "open" });
  let output = "";
  running.onOutput((chunk) => {
    output += chunk;
  });
  running.write("it\n");
  expect(await running.exited).toEqual({ code: 0, signal: null });
  expect(output).toBe("got it\n");
  expect(existsSync(join(base, "failed"))).toBe(true);
});

test("git reads its repository", async () => {
  const { sh } = makeWorld({
    prepare: ({ root }) => {
      const run = (...args: string[]) =>
        execFileSync("git", ["-C", root, "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
          stdio: "ignore",
        });
      run("init", "-q");
      writeFileSync(join(root, "a.txt"), "one\n");
      run("add", ".");
      run("commit", "-qm", "first");
    },
  });
  const { output, code } = await sh(
    "echo two >> a.txt; git status --short && git log --oneline | cut -d' ' -f2 && git diff | tail -1 && git stash list && git blame -s a.txt | tail -1",
  );
  expect(code).toBe(0);
  expect(output).toMatch(/^ M a\.txt\nfirst\n\+two\n0+ 2\) two\n$/);
  expect((await sh("git commit -qam second")).output).toMatch(/index\.lock.*Read-only file system/);
});

test("a command looks like it does outside: stand-ins of absent names are not seen by git", async () => {
  const { sh } = makeWorld({ prepare: ({ root }) => void execFileSync("git", ["init", "-q", root]) });
  expect((await sh("git status --short")).output).toBe("");
});

test("npm runs scripts, node runs its tests, without a network", async () => {
  const { sh } = makeWorld({
    prepare: ({ root }) => {
      const test = `import { test } from "node:test"; import http from "node:http";
        test("serves", async () => { const s = http.createServer((q, r) => r.end("ok")).listen(0, "127.0.0.1"); await new Promise((d) => s.on("listening", d));
          const r = await fetch("http://127.0.0.1:" + s.address().port); if (await r.text() !== "ok") throw new Error("no"); s.close(); });`;
      writeFileSync(
        join(root, "package.json"),
        JSON.stringify({ type: "module", scripts: { test: "node --test" } }),
      );
      writeFileSync(join(root, "a.test.js"), test);
    },
  });
  const bin = join(process.execPath, "..");
  const env = { PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`, HOME: "/nonexistent" };
  const { output, code } = await sh(
    `npm test --silent; ${NODE} -p 'require("os").networkInterfaces().lo.length'`,
    { env },
  );
  expect(output).toMatch(/pass 1/);
  expect(code).toBe(0);
});

test.runIf(existsSync("/usr/bin/cc"))("a C compiler builds a threaded program", async () => {
  const source = `#include <pthread.h>\n#include <stdio.h>\nstatic void *f(void *p) { puts("thread"); return p; }\nint main(void) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); return 0; }`;
  const { sh } = makeWorld({
    policy: { tmpWritable: true },
    tmp: ["/tmp"],
    prepare: ({ root }) => writeFileSync(join(root, "a.c"), source),
  });
  expect((await sh("cc -pthread -o a a.c && ./a")).output).toBe("thread\n");
});

test("archives, permissions and links of the usual kind work", async () => {
  const { sh } = makeWorld();
  const script = `mkdir -p a/b && echo x > a/b/f && ln -s b/f a/l && ln a/b/f a/h && mkfifo a/p && chmod 750 a/b && chmod g+s a/b
    rm a/p; tar czf a.tgz a && mkdir out && tar xzf a.tgz -C out && diff -r a out/a && stat -c %a a/b && mktemp -p . | grep -c tmp`;
  expect((await sh(script)).output).toBe("2750\n1\n");
});

test("a workspace on a temporary or kernel-made file system is still there", async () => {
  const shm = `/dev/shm/moho-${process.pid}`;
  mkdirSync(shm, { recursive: true });
  try {
    const write = makeWorld({ policy: { roots: [shm] } });
    expect((await write.sh("echo in > f; cat f", { cwd: shm })).output).toBe("in\n");
    expect(await write.environment.canWrite(`${shm}/g`)).toEqual({ allowed: true, real: `${shm}/g` });
    const read = makeWorld({ policy: { roots: [shm], mode: "read-only" } });
    expect((await read.sh("cat f; echo x > f", { cwd: shm })).output).toMatch(/^in\n.*Read-only/);
    expect(readFileSync(`${shm}/f`, "utf8")).toBe("in\n");
  } finally {
    execFileSync("rm", ["-rf", shm]);
  }
});

test("a program in the workspace cannot become the sandbox", async () => {
  const { sh } = makeWorld({
    prepare: ({ root }) => {
      writeFileSync(join(root, "bwrap"), "#!/bin/sh\necho hijacked\n");
      chmodSync(join(root, "bwrap"), 0o755);
    },
  });
  expect((await sh("echo fine", { env: { PATH: ".:/usr/bin:/bin" } })).output).toBe("fine\n");
});
