#!/usr/bin/env node
"use strict";
// The launcher: plain enough for any Node to parse, so that an old one gets one clear line.
var version = process.versions.node.split(".").map(Number);
if (version[0] < 22 || (version[0] === 22 && version[1] < 13)) {
  console.error(
    "moho needs Node 22.13 or newer; this is Node " + process.versions.node + " (" + process.execPath + ").",
  );
  process.exitCode = 2;
} else if (process.argv.length === 3 && (process.argv[2] === "--version" || process.argv[2] === "-V")) {
  console.log("moho " + require("../package.json").version);
} else {
  require("node:module").enableCompileCache();
  import("../dist/main.js").then((main) => main.start());
}
