/**
 * Does a command certainly only read? Then it may run beside its neighbours. A narrow answer by design: what is not
 * understood is taken to write. This orders calls; it never permits anything. Pure.
 */

const READERS = new Set(
  "basename cat cd cut date dirname du echo file grep head id jq ls nl od pwd readlink realpath rg seq stat tail tr true uname uniq wc which whoami".split(
    " ",
  ),
);
const GIT_READERS = new Set(["blame", "diff", "grep", "log", "ls-files", "rev-parse", "show", "status"]);
const WRITING_OPTIONS: Record<string, RegExp> = {
  find: /^-(exec|execdir|ok|okdir|delete|fls|fprint)/,
  git: /^(--output|--ext-diff|--textconv|-O|--open-files)|^-c$/,
  rg: /^--(pre|hostname-bin)/,
  date: /^(-s|--set)/,
  file: /^(-C|--compile)/,
};

export function onlyReads(command: string): boolean {
  const words = simpleWords(command);
  if (!words) return false;
  const commands: string[][] = [[]];
  for (const word of words) {
    if (word === "&&" || word === "||" || word === ";" || word === "|") commands.push([]);
    else commands.at(-1)!.push(word);
  }
  return commands.every(isReader);
}

function isReader([program, ...options]: readonly string[]): boolean {
  if (program === undefined) return false;
  const writing = WRITING_OPTIONS[program];
  if (writing && options.some((option) => writing.test(option))) return false;
  if (program === "find") return true;
  if (program === "git") return options[0] !== undefined && GIT_READERS.has(options[0]);
  if (program === "sed") return options[0] === "-n" && /^\d+(,\d+)?p$/.test(options[1] ?? "");
  // The second file name of uniq is where it writes.
  if (program === "uniq") return options.every((option) => option.startsWith("-"));
  return READERS.has(program);
}

const WORD = /^(?:'[^']*'|"[^"$`\\]*"|[^\s'"`$\\;&|<>(){}!#])+/;
const OPERATOR = /^(?:&&|\|\||;|\|(?!&))/;

/** Words and operators of a command without any expansion, redirection or second line; else `undefined`. */
function simpleWords(command: string): string[] | undefined {
  const words: string[] = [];
  let rest = command.trim();
  if (rest.includes("\n")) return undefined;
  while (rest !== "") {
    const match = OPERATOR.exec(rest) ?? WORD.exec(rest);
    if (!match) return undefined;
    words.push(match[0].replace(/'([^']*)'|"([^"]*)"/g, "$1$2"));
    rest = rest.slice(match[0].length).trimStart();
  }
  return words;
}
