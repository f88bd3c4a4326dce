/** What every `request-out.ts` gives. */

import type { Raw } from "./fields.ts";
import type { Note } from "./notes.ts";
import type { ToolNames } from "./tools.ts";

/** A body as an object, for endpoints that wrap it. */
export interface BodyValue {
  value: Raw;
  notes: Note[];
  /** For the fold: undoes the flattening of tool names. */
  names: ToolNames;
}

/** A body as JSON text: equal requests give equal bytes, and the history comes last. */
export interface UpstreamBody {
  body: string;
  notes: Note[];
  names: ToolNames;
}
