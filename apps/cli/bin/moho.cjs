#!/usr/bin/env node
// The launcher: plain enough for any Node from 10 on to parse, so that an old one finds a newer one or says so clearly.
const [major, minor] = process.versions.node.split(".").map(Number);
const words = process.argv.slice(2);
// A gateway lives long: a bounded heap keeps its memory flat (see docs/decisions/0003).
const heap = ["--max-semi-space-size=8", "--max-old-space-size=1024", "--no-parallel-scavenge"];
if (major < 22 || (major === 22 && minor < 13)) {
  const newer = nodeBesideTheCheckout();
  if (newer) become(newer);
  else {
    console.error(
      `moho needs Node 22.13 or newer; this is Node ${process.versions.node} (${process.execPath}).`,
    );
    process.exitCode = 2;
  }
} else if (words.length === 1 && (words[0] === "--version" || words[0] === "-V")) {
  console.log(`moho ${require("../package.json").version}`);
} else if (words[0] === "gateway" && process.execve && process.execArgv.length === 0) {
  process.execve(process.execPath, [process.execPath, ...heap, __filename, ...words], process.env);
} else {
  require("node:module").enableCompileCache();
  import("../dist/main.js").then((main) => main.start());
}

/** The Node that `npm install` put into the checkout this file really lies in, also when a link led here. */
function nodeBesideTheCheckout() {
  const fs = require("fs");
  const path = require("path");
  const real = path.dirname(fs.realpathSync(__filename));
  try {
    const found = path.join(real, "..", "..", "..", "node_modules", ".bin", "node");
    // The very Node that runs this would come here again and again.
    return fs.realpathSync(found) === fs.realpathSync(process.execPath) ? undefined : found;
  } catch (_) {
    return undefined;
  }
}

/** Old Nodes cannot replace themselves: this one hands on its streams and signals, and ends as the newer one ends. */
function become(node) {
  const child = require("child_process").spawn(node, [__filename].concat(words), { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGHUP", "SIGINT"])
    process.on(signal, () => {
      // A terminal sends its interrupt to both; a second one would end the child at once.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  child.on("error", (error) => {
    console.error(`moho cannot start ${node}: ${error.message}.`);
    process.exitCode = 2;
  });
  child.on("exit", (code, signal) => {
    if (!signal) return process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
