/** Which commands may run beside their neighbours: when in doubt, none. */

import { expect, test } from "vitest";
import { onlyReads } from "../src/tools/exec-command/reads.ts";

const READ = `ls -la
cat a b | head -n 5
rg -n 'foo.*bar' src | wc -l
grep -rn "a b" . && echo done
find . -name *.ts
sed -n 1,20p file.ts
sed -n 3p file.ts
git status --short; git diff HEAD
git log --oneline
cd src && ls
cat file || true
true`;

const WRITE = `echo x > f
cat a >> b
ls; rm a
rm -rf /
npm test
find . -delete
find . -name x -exec rm {} +
sed -i s/a/b/ f
sed -n w f
git commit -m x
git -c core.pager=x log
git diff --output=f
git
rg --pre sh x
cat $(touch f)
cat \`touch f\`
cat <(touch f)
echo "$(touch f)"
echo \${x:=1}
ls & touch f
ls |& tee f
a=1 ls
uniq a b
date -s 2020
cat a 'b
ls #\\
(ls)
{ ls; }
! ls
sort -o f f
sh -c ls
xargs rm
tee f
./ls
/bin/ls
ls;`;

test.each(READ.split("\n"))("reads: %s", (command) => expect(onlyReads(command)).toBe(true));
test.each([...WRITE.split("\n"), "", "ls\ntouch f", "cat 'a\nb'"])("may write: %s", (command) =>
  expect(onlyReads(command)).toBe(false),
);
