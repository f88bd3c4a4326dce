/**
 * A deterministic Responses server in its own process. A scenario (JSON in argv[2]) says what it answers:
 * `turns` tool calls of `command`, then a message in `deltas` text deltas. It notes when the last byte of each
 * request arrived and the last byte of each answer left, on the machine's monotonic clock.
 */

import { createServer } from "node:http";

const scenario = {
  turns: 0,
  command: "true",
  deltas: 1,
  deltaText: "word ",
  ...JSON.parse(process.argv[2] ?? "{}"),
};
let marks = [];
let previous;

const sse = (event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
const usage = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 10,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 110,
};

function answer(item, deltas) {
  let n = 0;
  const next = (type, rest) => sse({ type, sequence_number: n++, ...rest });
  const response = { id: "resp_bench", object: "response", status: "in_progress", output: [] };
  let text = next("response.created", { response });
  text += next("response.output_item.added", { output_index: 0, item: { ...item, status: "in_progress" } });
  for (let i = 0; i < deltas; i++)
    text += next("response.output_text.delta", {
      output_index: 0,
      content_index: 0,
      item_id: item.id,
      delta: scenario.deltaText,
    });
  text += next("response.output_item.done", { output_index: 0, item });
  text += next("response.completed", {
    response: { ...response, status: "completed", output: [item], usage },
  });
  return Buffer.from(text);
}

function callAnswer(turn) {
  return answer(
    {
      id: `fc_${turn}`,
      type: "function_call",
      status: "completed",
      call_id: `call_${turn}`,
      name: "exec_command",
      arguments: JSON.stringify({ cmd: scenario.command }),
    },
    0,
  );
}

const finalAnswer = answer(
  {
    id: "msg_1",
    type: "message",
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text: scenario.deltaText.repeat(scenario.deltas), annotations: [] }],
  },
  scenario.deltas,
);

/** Finished tool calls in the request, read from its tail: the last call id the client answers. */
function turnsDone(body) {
  const at = body.lastIndexOf('"call_id":"call_');
  return at < 0 ? 0 : Number.parseInt(body.toString("latin1", at + 16, at + 24), 10) + 1;
}

/** Does this request repeat the one before it from the first byte to the end of its input? */
function repeats(body) {
  const known = previous;
  previous = body;
  return known === undefined || body.subarray(0, known.length - 2).equals(known.subarray(0, -2));
}

const server = createServer((request, response) => {
  if (request.url === "/marks") {
    response.end(JSON.stringify(marks));
    marks = [];
    previous = undefined;
    return;
  }
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const arrived = process.hrtime.bigint();
    const body = Buffer.concat(chunks);
    const done = turnsDone(body);
    const bytes = done < scenario.turns ? callAnswer(done) : finalAnswer;
    const mark = { arrived: Number(arrived) / 1e6, left: 0, bytes: body.length, repeats: repeats(body) };
    marks.push(mark);
    response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req_bench" });
    response.end(bytes, () => {
      mark.left = Number(process.hrtime.bigint()) / 1e6;
    });
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send?.({ port: server.address().port }));
process.on("disconnect", () => process.exit());
