/**
 * The floor of an agent turn: a bare Node script that streams the same turns with node:http, parses every
 * event, runs each tool call with bash and sends everything back. argv: url, model, bytes of fixed prompt.
 */

import { spawn } from "node:child_process";
import { Agent, request } from "node:http";

const [url, model, promptBytes] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });
const input = [{ type: "message", role: "user", content: "x".repeat(Number(promptBytes)) }];

function bash(command) {
  return new Promise((resolve) => {
    const child = spawn("bash", ["-c", command]);
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.on("close", () => resolve(output));
  });
}

function turn() {
  return new Promise((resolve, reject) => {
    const items = [];
    let text = "";
    let rest = "";
    const headers = { "content-type": "application/json", accept: "text/event-stream" };
    const call = request(`${url}/responses`, { method: "POST", agent, headers }, (answer) => {
      answer.setEncoding("utf8");
      answer.on("data", (chunk) => {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          if (!line.startsWith("data: ")) continue;
          const event = JSON.parse(line.slice(6));
          if (event.type === "response.output_text.delta") text += event.delta;
          else if (event.type === "response.output_item.done") items.push(event.item);
        }
      });
      answer.on("end", () => resolve({ items, text }));
      answer.on("error", reject);
    });
    call.on("error", reject);
    call.end(JSON.stringify({ model, stream: true, input }));
  });
}

for (;;) {
  const { items, text } = await turn();
  input.push(...items);
  const calls = items.filter((item) => item.type === "function_call");
  for (const call of calls) {
    const output = await bash(JSON.parse(call.arguments).cmd);
    input.push({ type: "function_call_output", call_id: call.call_id, output });
  }
  if (calls.length === 0) {
    console.log(text);
    break;
  }
}
agent.destroy();
