import type { Call } from '../command/call.js';
import { exit } from '../failure/exit-code.js';
import { plainLine, styled } from '../output/text.js';
import type { Finding } from './check.js';
import { checkFolder } from './folder.js';
import { checkHost } from './host.js';
import { checkPlace } from './place.js';

const marks = { ok: ['green', 'ok'], note: ['yellow', '--'], problem: ['red', 'NO'] } as const;

export async function runDoctor(call: Call, { data }: { data?: string | undefined } = {}): Promise<number> {
  const checks = (await Promise.all([checkHost(), checkFolder(call, data), checkPlace(call)])).flat();
  const problems = checks.filter(({ state }) => state === 'problem').length;
  if (call.out.format === 'json') call.out.document({ ok: problems === 0, checks });
  else if (call.out.format === 'jsonl') checks.forEach((each) => call.out.line(each));
  else tell(call, checks);
  call.out.say(problems === 0 ? '\nnothing is wrong' : `\n${problems} problem${problems === 1 ? '' : 's'}`);
  return problems === 0 ? exit.ok : exit.found;
}

function tell(call: Call, checks: readonly Finding[]): void {
  const width = Math.max(...checks.map(({ check }) => check.length));
  for (const { check, state, found, fix } of checks) {
    const [style, mark] = marks[state];
    call.out.data(`${styled(style, mark, process.stdout)}  ${check.padEnd(width)}  ${plainLine(found)}\n`);
    if (fix !== undefined && state !== 'ok') call.out.data(`    ${' '.repeat(width)}  try: ${plainLine(fix)}\n`);
  }
}
