/**
 * A fast fixed upstream in its own process. The request's model says what it answers: `paced` streams 40 events
 * with 10 ms between them, `burst` streams 500 events at once, anything else is one small JSON answer.
 */

import { createServer } from "node:http";

const usage = {
  input_tokens: 20,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 40,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 60,
};
const item = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: "hello", annotations: [] }],
};
const response = {
  id: "resp_bench",
  object: "response",
  created_at: 1,
  status: "completed",
  output: [item],
  usage,
};
const small = Buffer.from(JSON.stringify(response));
const sse = (event) => Buffer.from(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
const delta = sse({
  type: "response.output_text.delta",
  sequence_number: 7,
  item_id: "msg_1",
  output_index: 0,
  content_index: 0,
  delta: "word by word ",
});
const opening = sse({
  type: "response.created",
  sequence_number: 0,
  response: { id: "resp_bench", status: "in_progress" },
});
const closing = sse({ type: "response.completed", sequence_number: 99, response });

function paced(answer) {
  answer.write(opening);
  let left = 40;
  const timer = setInterval(() => {
    if (left-- > 0) return void answer.write(delta);
    clearInterval(timer);
    answer.end(closing);
  }, 10);
  answer.on("close", () => clearInterval(timer));
}

const server = createServer((request, answer) => {
  let head;
  request.on("data", (chunk) => {
    head ??= chunk;
  });
  request.on("end", () => {
    const model = /"model":"([a-z-]+)/.exec(head.toString("latin1", 0, 200))?.[1];
    const stream = { "content-type": "text/event-stream", "x-request-id": "req_up" };
    if (model === "paced") paced(answer.writeHead(200, stream));
    else if (model === "burst") {
      answer.writeHead(200, stream);
      answer.write(opening);
      for (let i = 0; i < 500; i++) answer.write(delta);
      answer.end(closing);
    } else {
      answer.writeHead(200, { "content-type": "application/json", "content-length": small.length });
      answer.end(small);
    }
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
process.on("disconnect", () => process.exit());
