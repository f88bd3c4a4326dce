/** What a command printed, on its way to the one listener; a sandbox's complaint that it did not start is no output. */

/** As long as such a complaint can be. */
const COMPLAINT_BYTES = 1_000;

export interface Output {
  push(chunk: Buffer): void;
  /** Gets what came so far, then everything as it comes. */
  listen(listener: (chunk: Buffer) => void): void;
  /** What was withheld is the command's own. */
  release(): void;
  /** Forgets what was withheld, and returns its text. */
  discard(): string;
}

/** Withholds output that starts with `complaint` until it is too long for one. */
export function createOutput(complaint: string | undefined): Output {
  const backlog: Buffer[] = [];
  let listener: ((chunk: Buffer) => void) | undefined;
  let withheld = Buffer.alloc(0);
  let withholding = complaint !== undefined;
  const pass = (chunk: Buffer): void => {
    if (listener === undefined) backlog.push(chunk);
    else if (chunk.length > 0) listener(chunk);
  };
  const release = (): void => {
    const chunk = withheld;
    withheld = Buffer.alloc(0);
    withholding = false;
    pass(chunk);
  };
  return {
    push(chunk) {
      if (!withholding) return pass(chunk);
      withheld = Buffer.concat([withheld, chunk]);
      if (!mayComplain(withheld, complaint ?? "")) release();
    },
    listen(next) {
      listener = next;
      backlog.splice(0).forEach(pass);
    },
    release,
    discard() {
      const text = withheld.toString("utf8");
      withheld = Buffer.alloc(0);
      return text.trim();
    },
  };
}

function mayComplain(output: Buffer, complaint: string): boolean {
  const start = output.toString("latin1", 0, complaint.length);
  return output.length < COMPLAINT_BYTES && complaint.startsWith(start);
}
