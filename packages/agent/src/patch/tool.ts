/** How a model is offered `apply_patch`: as a grammar tool, or as a function for models without those. */

import type { CustomTool, FunctionTool } from "@moho/protocol";

const ENVELOPE = `*** Begin Patch
*** Add File: notes/new.txt
+every line of a new file starts with a plus
*** Update File: src/app.ts
*** Move to: src/main.ts
@@ function start() {
   const port = 80;
-  listen(port);
+  listen(port, host);
*** Delete File: old.txt
*** End Patch`;

const RULES =
  "Adds, updates, moves and deletes files in one step that happens completely or not at all. " +
  "Paths are relative to the working folder. In an update, copy about three unchanged lines (each after one space) " +
  'above and below every change exactly as they are in the file; put "@@ " and an enclosing line, such as a ' +
  "function header, above a hunk whose lines occur more than once.";

/** The envelope, one terminal a line. Hunk lines may come without an `@@` line. */
export const APPLY_PATCH_GRAMMAR = `start: BEGIN file+ END
file: added | removed | updated
added: ADD_FILE PLUS_LINE+
removed: DELETE_FILE
updated: UPDATE_FILE (MOVE_TO hunk* | hunk+)
hunk: SCOPE* HUNK_LINE+ LAST_LINES?
BEGIN: "*** Begin Patch\\n"
END: /\\*\\*\\* End Patch\\n?/
ADD_FILE: /\\*\\*\\* Add File: [^\\n]+\\n/
DELETE_FILE: /\\*\\*\\* Delete File: [^\\n]+\\n/
UPDATE_FILE: /\\*\\*\\* Update File: [^\\n]+\\n/
MOVE_TO: /\\*\\*\\* Move to: [^\\n]+\\n/
SCOPE: /@@( [^\\n]*)?\\n/
PLUS_LINE: /\\+[^\\n]*\\n/
HUNK_LINE: /[ +-][^\\n]*\\n/
LAST_LINES: "*** End of File\\n"
`;

export const APPLY_PATCH_CUSTOM: CustomTool = {
  type: "custom",
  name: "apply_patch",
  description: `${RULES} Write the patch as it is, without JSON around it.`,
  format: { type: "grammar", syntax: "lark", definition: APPLY_PATCH_GRAMMAR },
};

export const APPLY_PATCH_FUNCTION: FunctionTool = {
  type: "function",
  name: "apply_patch",
  description: `${RULES} Form:\n${ENVELOPE}`,
  parameters: {
    type: "object",
    properties: { input: { type: "string", description: "The whole patch." } },
    required: ["input"],
    additionalProperties: false,
  },
};
