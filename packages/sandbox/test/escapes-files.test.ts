/** Ways out through the file system, tried on the real kernel. */

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { makeWorld, requireBubblewrap, SECRET } from "./world.ts";

beforeAll(requireBubblewrap);

const NAMES = [".git", ".codex", ".agents", ".aws"];

test("workspace-write: the root is writable, everything else is not", async () => {
  const { sh, root, base, user } = makeWorld();
  const { output } = await sh(`echo in > in.txt
    for target in ${base}/out ${user}/out /etc/moho-out /usr/moho-out /var/tmp/moho-out /tmp/moho-out /moho-out; do
      (echo out > $target) 2>/dev/null && echo "wrote $target"; done; cat in.txt`);
  expect(output).toBe("in\n");
  expect(readFileSync(join(root, "in.txt"), "utf8")).toBe("in\n");
  expect(readdirSync(base).sort()).toEqual(["moho", "root", "user"]);
});

test("read-only: the root is not writable either, and can be read", async () => {
  const { sh, root } = makeWorld({
    policy: { mode: "read-only" },
    prepare: ({ root }) => writeFileSync(join(root, "a"), "a"),
  });
  const { output } = await sh("cat a; echo b > a; rm -f a; touch b; mkdir c");
  expect(output).toMatch(/^a.*Read-only file system/);
  expect(readdirSync(root)).toEqual(["a"]);
});

test("the temporary directory is writable when the policy says so", async () => {
  const { sh, base } = makeWorld({
    policy: { tmpWritable: true },
    tmp: ["/nonexistent-tmp"],
  });
  expect((await sh("touch /tmp/moho-no-$$ && echo wrote")).output).not.toContain("wrote");
  mkdirSync(join(base, "tmp"));
  const other = makeWorld({ policy: { tmpWritable: true }, tmp: [join(base, "tmp")] });
  expect((await other.sh(`echo yes > ${base}/tmp/f; cat ${base}/tmp/f`)).output).toBe("yes\n");
});

test.each(["existing", "absent"])("protected names stay as they are: %s", async (which) => {
  const { sh, root, environment } = makeWorld({
    prepare: ({ root }) => {
      for (const name of which === "existing" ? NAMES : []) {
        mkdirSync(join(root, name));
        writeFileSync(join(root, name, "config"), "mine");
      }
    },
  });
  const { output } = await sh(`for name in ${NAMES.join(" ")}; do
      mkdir -p $name/hooks && echo "made $name"
      echo evil > $name/config && echo "wrote $name"
      chmod -R u+w $name; chattr -i $name; touch $name/x && echo "touched $name"
      mv $name other && echo "moved $name"; rm -rf $name; rmdir $name && echo "removed $name"
      ln -sfn /tmp $name && echo "linked $name"; mv -T src $name && echo "replaced $name"
      ln $name/config stolen && echo "hard link $name"
      mount -o remount,rw $PWD/$name && echo "remounted $name"; umount $PWD/$name && echo "unmounted $name"
    done 2>/dev/null
    (mv ../root ../moved && echo "moved the root"; rm -rf ../root) 2>/dev/null; ls -A`);
  // `ln -sfn` makes a link inside an existing directory where it may: it must not.
  expect(output.trim().split("\n")).toEqual([...NAMES].sort());
  await environment.close();
  expect(readdirSync(root).sort()).toEqual(which === "existing" ? [...NAMES].sort() : []);
  for (const name of which === "existing" ? NAMES : []) {
    expect(readdirSync(join(root, name))).toEqual(["config"]);
    expect(readFileSync(join(root, name, "config"), "utf8")).toBe("mine");
  }
});

test("a process that outlives its command cannot make a protected name while the sandbox goes down", async () => {
  const { sh, root, environment } = makeWorld();
  for (let round = 0; round < 8; round += 1) {
    await sh(
      `for i in 1 2 3; do perl -e 'while (1) { mkdir ".codex"; mkdir ".codex/evil" }' & done; sleep 0.02`,
    );
  }
  await environment.close();
  expect(readdirSync(root)).toEqual([]);
});

test("stand-ins of absent names are shared by environments and go with the last of them", async () => {
  const first = makeWorld();
  const second = makeWorld({ policy: { roots: [first.root] } });
  const long = await second.start(`cd ${first.root}; echo ready; read line; mkdir .codex/x || echo refused`, {
    input: "open",
  });
  let output = "";
  const ready = new Promise<void>((done) =>
    long.onOutput((chunk) => {
      output += chunk;
      done();
    }),
  );
  await ready;
  await first.sh("true");
  await first.environment.close();
  expect(readdirSync(first.root).sort()).toEqual([".agents", ".aws", ".codex", ".git"]);
  long.write("go\n");
  await long.exited;
  expect(output).toContain("refused");
  await second.environment.close();
  expect(readdirSync(first.root)).toEqual([]);
});

test("stand-ins that a killed Moho left are cleared by the next command", async () => {
  const { sh, root, environment } = makeWorld({
    prepare: ({ root }) => {
      const namespace = execFileSync("readlink", ["/proc/self/ns/pid"], { encoding: "utf8" }).replace(
        /\D/g,
        "",
      );
      mkdirSync(join(root, ".codex", `moho-hold-${namespace}-999999999-12345-1`), { recursive: true });
      chmodSync(join(root, ".codex"), 0o1755);
    },
  });
  expect((await sh("touch .codex/x; ls -A .codex")).output).toMatch(/(Read-only|Permission).*\n$/);
  await environment.close();
  expect(readdirSync(root)).toEqual([]);
});

test("what a person makes in place of a stand-in is not removed", async () => {
  const { start, root, environment } = makeWorld();
  const running = await start("echo ready; read line", { input: "open" });
  await new Promise<void>((done) => running.onOutput(() => done()));
  execFileSync("git", ["init", "-q", root]);
  running.closeInput();
  await running.exited;
  await environment.close();
  expect(readdirSync(root)).toEqual([".git"]);
  expect(existsSync(join(root, ".git/HEAD"))).toBe(true);
});

test("a protected name that is a link is refused with the reason, and can still be read and written around", async () => {
  const { sh, root, environment } = makeWorld({
    prepare: ({ root, base }) => {
      mkdirSync(join(base, "shared"));
      symlinkSync(join(base, "shared"), join(root, ".agents"));
    },
  });
  await expect(sh("true")).rejects.toMatchObject({
    code: "sandbox_unavailable",
    message: /\.agents is a symbolic link/,
  });
  expect(await environment.canWrite(join(root, "a"))).toMatchObject({ allowed: true });
});

test("the git directory of a worktree is read-only as well, wherever it is", async () => {
  const { base, root } = makeWorld({
    policy: { protectedNames: [".git"] },
    prepare: ({ base, root }) => {
      const run = (...args: string[]) =>
        execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], { stdio: "ignore" });
      run("init", "-q", join(base, "main"));
      run("-C", join(base, "main"), "commit", "--allow-empty", "-qm", "first");
      run("-C", join(base, "main"), "worktree", "add", "-q", join(root, "tree"));
    },
  });
  const roots = makeWorld({ policy: { roots: [join(root, "tree"), base], protectedNames: [".git"] } });
  const attack = `git status --short && for d in ${base}/main/.git ${base}/main/.git/worktrees/tree; do
    touch $d/x && echo "wrote $d"; mv $d $d-moved && echo "moved $d"; done 2>/dev/null
    echo evil > .git && echo "wrote .git"; mv ${base}/main ${base}/other && echo "moved main"
    echo end`;
  const { output } = await roots.sh(attack, { cwd: join(root, "tree") });
  expect(output).not.toMatch(/wrote|moved/);
  expect(output).toContain("end");
});

test("directories above a protected or hidden path cannot be renamed away with it", async () => {
  const { root } = makeWorld({
    policy: { tmpWritable: true },
    tmp: [],
    prepare: ({ root }) => {
      mkdirSync(join(root, "deep/er/inner/.git"), { recursive: true });
      mkdirSync(join(root, "config/gh"), { recursive: true });
      writeFileSync(join(root, "config/gh/hosts"), SECRET);
    },
  });
  const world = makeWorld({
    policy: { roots: [root, join(root, "deep/er/inner")], unreadable: [join(root, "config/gh")] },
  });
  const script = `mv deep other && echo moved; mv deep/er deep/other && echo moved; mv config other && echo moved
    cat config/gh/hosts; touch deep/er/inner/.git/x && echo wrote; touch deep/er/inner/y deep/z config/w; ls deep config`;
  const { output } = await world.sh(script, { cwd: root });
  expect(output).not.toMatch(/moved|wrote|canary/);
  expect(output).toMatch(/deep:\ner\nz/);
});

test("symlinks lead nowhere else: the kernel judges the target", async () => {
  const { sh, base } = makeWorld({
    prepare: ({ base, root }) => {
      mkdirSync(join(base, "outside"));
      symlinkSync(join(base, "outside"), join(root, "link"));
    },
  });
  const { output } = await sh(
    `echo x > link/file && echo wrote; ln -s ${base}/outside/f2 dangling; echo x > dangling && echo wrote`,
  );
  expect(output).not.toContain("wrote");
  expect(readdirSync(join(base, "outside"))).toEqual([]);
});

test("a root given through a symlink is the directory itself", async () => {
  const { base, root } = makeWorld({ prepare: ({ base, root }) => symlinkSync(root, join(base, "alias")) });
  const world = makeWorld({ policy: { roots: [join(base, "alias")] } });
  const { output } = await world.sh("touch a .git/b; ls", { cwd: join(base, "alias") });
  expect(output).toMatch(/Read-only.*\na\n$/s);
  expect(existsSync(join(root, "a"))).toBe(true);
});

test("a root that is not there yet cannot be made to lead elsewhere by a command", async () => {
  const { base, root } = makeWorld({ prepare: ({ base }) => mkdirSync(join(base, "outside")) });
  const late = join(root, "late");
  const world = makeWorld({ policy: { roots: [root, late], protectedNames: [] } });
  await world.sh(`ln -s ${base}/outside late`, { cwd: root });
  const { output } = await world.sh(
    `echo x > ${base}/outside/f && echo wrote; echo x > late/f && echo wrote`,
    {
      cwd: root,
    },
  );
  expect(output).not.toMatch(/^wrote/m);
  expect(await world.environment.canWrite(join(late, "f"))).toMatchObject({ allowed: false });
});

test("hard links to files outside cannot be made", async () => {
  const { sh, base } = makeWorld({ prepare: ({ base }) => writeFileSync(join(base, "victim"), "v") });
  const { output } = await sh(`ln ${base}/victim mine && echo x > mine; ln /etc/passwd p; ls`);
  expect(output).toMatch(/Invalid cross-device link/);
  expect(readFileSync(join(base, "victim"), "utf8")).toBe("v");
});

test("credentials are out of sight: directly, through links, and where links in their folder lead", async () => {
  const { sh, root, user, base, moho } = makeWorld({
    prepare: ({ base, user, root, moho }) => {
      mkdirSync(join(base, "dotfiles"));
      renameSync(join(user, ".ssh/id_test"), join(base, "dotfiles/id_test"));
      symlinkSync(join(base, "dotfiles/id_test"), join(user, ".ssh/id_test"));
      symlinkSync(join(user, ".aws/credentials"), join(root, "key"));
      writeFileSync(join(user, ".netrc"), SECRET);
      mkdirSync(join(moho, "threads"), { recursive: true });
      writeFileSync(join(moho, "threads/t"), SECRET);
    },
  });
  const world = makeWorld({
    policy: {
      roots: [root],
      unreadable: [join(user, ".aws"), join(user, ".ssh"), join(user, ".netrc"), moho, join(user, ".absent")],
    },
  });
  const script = `cat ${user}/.aws/credentials ${user}/.ssh/id_test ${base}/dotfiles/id_test key ${user}/.netrc ${moho}/threads/t
    ls -A ${user}/.aws ${user}/.ssh ${moho}; cd ${user}/.aws; chmod 777 ${user}/.aws; cat ${user}/.aws/*; grep -rs canary ${base}
    cat /proc/self/root${user}/.aws/credentials /proc/1/root${user}/.aws/credentials`;
  const { output } = await world.sh(script, { cwd: root });
  expect(output).not.toContain(SECRET);
  expect(output).toMatch(/Permission denied/);
  expect((await sh(`cat ${user}/.netrc`)).output).toBe(SECRET); // without the rule it can be read: the test can fail
});

test("a mask inside a writable root holds, and its path cannot be made where it is absent", async () => {
  const { user } = makeWorld();
  const world = makeWorld({
    policy: { roots: [user], protectedNames: [], unreadable: [join(user, ".aws"), join(user, ".new")] },
  });
  const { output } = await world.sh(
    `cat .aws/credentials; echo x > .aws/config && echo wrote; mkdir .new && echo made; mv .aws b && echo moved; touch ok; ls -A`,
    { cwd: user },
  );
  expect(output).not.toMatch(/canary|wrote|made|moved/);
  expect(output).toMatch(/\nok\n/);
  await world.environment.close();
  expect(readdirSync(user).sort()).toEqual([".aws", ".ssh", "ok"]);
});

test("a root inside a hidden folder is open, the folder around it is not", async () => {
  const { moho } = makeWorld({
    prepare: ({ moho }) => {
      mkdirSync(join(moho, "worktrees/w"), { recursive: true });
      writeFileSync(join(moho, "key"), SECRET);
    },
  });
  const world = makeWorld({ policy: { roots: [join(moho, "worktrees/w")], unreadable: [moho] } });
  const { output, code } = await world.sh(`touch a && ls; cat ${moho}/key; ls ${moho}; touch ${moho}/b`, {
    cwd: join(moho, "worktrees/w"),
  });
  expect(output).toMatch(/^a\n/);
  expect(output).not.toContain(SECRET);
  expect(code).not.toBe(0);
  expect(readdirSync(moho).sort()).not.toContain("b");
});

test("set-user-id files cannot be planted, by any call that makes or changes a file", async () => {
  const { sh, root } = makeWorld();
  const { output } = await sh(`cp /bin/true t; chmod 4755 t && echo planted; chmod u+s t && echo planted
    install -m 4755 /bin/true u && echo planted
    perl -e 'use Fcntl; umask 0; sysopen(F, "v", O_CREAT|O_WRONLY, 04755) and print "opened\\n"'
    chmod 755 t && mkdir -m 755 d && touch w && echo fine; find . -perm -4000`);
  expect(output).not.toMatch(/^(planted|opened|\.\/)/m);
  expect(output).toMatch(/^fine$/m);
  expect(readdirSync(root)).toContain("t");
});

test("hard-linked protected files stay protected in place", async () => {
  const { sh, root } = makeWorld({
    prepare: ({ root }) => {
      mkdirSync(join(root, ".git"));
      writeFileSync(join(root, ".git/config"), "mine");
      linkSync(join(root, ".git/config"), join(root, "alias"));
    },
  });
  const { output } = await sh(
    "mv alias .git/config && echo moved; cp --remove-destination alias .git/config && echo copied; echo end",
  );
  expect(output).toMatch(/end\n$/);
  expect(output).not.toMatch(/^(moved|copied)/m);
  expect(readFileSync(join(root, ".git/config"), "utf8")).toBe("mine");
});
