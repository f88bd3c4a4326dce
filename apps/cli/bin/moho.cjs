#!/usr/bin/env node
// The launcher: plain enough for any Node to parse, so that an old one gets one clear line.
const [major, minor] = process.versions.node.split(".").map(Number);
const words = process.argv.slice(2);
// A gateway lives long: a small young generation keeps its memory flat (see docs/decisions/0003).
const heap = ["--max-semi-space-size=4", "--max-old-space-size=1024"];
if (major < 22 || (major === 22 && minor < 13)) {
  console.error(
    `moho needs Node 22.13 or newer; this is Node ${process.versions.node} (${process.execPath}).`,
  );
  process.exitCode = 2;
} else if (words.length === 1 && (words[0] === "--version" || words[0] === "-V")) {
  console.log(`moho ${require("../package.json").version}`);
} else if (words[0] === "gateway" && process.execve && process.execArgv.length === 0) {
  process.execve(process.execPath, [process.execPath, ...heap, __filename, ...words], process.env);
} else {
  require("node:module").enableCompileCache();
  import("../dist/main.js").then((main) => main.start());
}
