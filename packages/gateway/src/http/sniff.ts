/**
 * Tells HTTP/2 with prior knowledge from HTTP/1.1 by the first bytes of a connection (RFC 9113 §3.4), so that
 * one port serves both: AWS SDKs for JavaScript speak only h2c to a cleartext endpoint, everybody else HTTP/1.1.
 */

import type { Socket } from "node:net";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/**
 * Reads until the protocol is certain, puts the bytes back, and hands the socket over. A peer that stays silent
 * for `patienceMs` is cut: nothing else watches a socket that has no parser yet.
 */
export function sniff(socket: Socket, patienceMs: number, handOver: (protocol: "h1" | "h2") => void): void {
  const seen: Buffer[] = [];
  const quit = () => socket.destroy();
  const onReadable = () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen.push(chunk);
    const head = seen.length === 1 ? chunk : Buffer.concat(seen);
    const compared = Math.min(head.length, PREFACE.length);
    const matches = PREFACE.subarray(0, compared).equals(head.subarray(0, compared));
    if (matches && head.length < PREFACE.length) return;
    stop();
    socket.unshift(head);
    handOver(matches ? "h2" : "h1");
  };
  const stop = () => {
    socket.off("readable", onReadable);
    socket.off("error", quit);
    socket.off("timeout", quit);
    socket.off("end", quit);
    socket.setTimeout(0);
  };
  socket.on("readable", onReadable);
  socket.on("error", quit);
  socket.on("end", quit);
  socket.on("timeout", quit);
  socket.setTimeout(patienceMs);
}
