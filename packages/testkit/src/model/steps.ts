/** A turn as the steps that a server takes to answer it. Pure. */

import {
  formatResponsesEvent,
  type ResponsesAnswer,
  type ResponsesStreamEvent,
  responsesBody,
  responsesEvents,
} from "@moho/wire";
import type { Fault, Turn } from "./script.ts";

export type Step =
  | { do: "send"; bytes: Buffer }
  | { do: "wait"; ms: number }
  /** The socket breaks. */
  | { do: "drop" }
  /** Nothing more, and no end. */
  | { do: "hang" }
  | { do: "end" };

/** The steps of a streamed answer. */
export function streamSteps(turn: Turn, answer: ResponsesAnswer): Step[] {
  const steps: Step[] = [];
  const faults = turn.faults ?? [];
  const pace = turn.pace;
  const events = [...responsesEvents(answer, turn.chunk)];
  let stopped = false;
  for (let sent = 0; sent <= events.length && !stopped; sent++) {
    for (const fault of faults) stopped = strike(fault, sent, steps, events[sent], answer) || stopped;
    if (stopped || sent === events.length) break;
    if (pace !== undefined && sent > 0 && sent % pace.events === 0)
      steps.push({ do: "wait", ms: pace.everyMs });
    steps.push(send(formatResponsesEvent(events[sent]!)));
  }
  if (!stopped) steps.push({ do: "end" });
  return cutAtBytes(steps, faults);
}

/** The steps of an answer in one JSON body. Only faults that count bytes apply. */
export function bodySteps(turn: Turn, answer: ResponsesAnswer): Step[] {
  return cutAtBytes([send(JSON.stringify(responsesBody(answer))), { do: "end" }], turn.faults ?? []);
}

function send(text: string): Step {
  return { do: "send", bytes: Buffer.from(text) };
}

/** What `fault` does once `sent` events were sent; true when nothing follows. */
function strike(
  fault: Fault,
  sent: number,
  steps: Step[],
  next: ResponsesStreamEvent | undefined,
  answer: ResponsesAnswer,
): boolean {
  if (!("after" in fault) || fault.after !== sent) return false;
  switch (fault.kind) {
    case "insert":
      steps.push(send(fault.raw));
      return false;
    case "pause":
      steps.push({ do: "wait", ms: fault.ms });
      return false;
    case "silence":
      steps.push({ do: "hang" });
      return true;
    case "drop":
    case "end":
      steps.push({ do: fault.kind });
      return true;
    case "fail": {
      const end = { status: "failed", code: fault.code, message: fault.message } as const;
      const failed = [...responsesEvents({ ...answer, items: [], end })].at(-1)!;
      const text = formatResponsesEvent({ ...failed, sequence_number: next?.sequence_number ?? sent });
      steps.push(send(text), { do: "end" });
      return true;
    }
  }
}

function cutAtBytes(steps: readonly Step[], faults: readonly Fault[]): Step[] {
  const fault = faults.find((candidate) => "afterBytes" in candidate);
  if (fault === undefined || !("afterBytes" in fault)) return [...steps];
  const kept: Step[] = [];
  let left = fault.afterBytes;
  for (const step of steps) {
    if (step.do !== "send") {
      kept.push(step);
      continue;
    }
    if (step.bytes.length >= left) {
      return [...kept, { do: "send", bytes: step.bytes.subarray(0, left) }, { do: "drop" }];
    }
    left -= step.bytes.length;
    kept.push(step);
  }
  return kept;
}
