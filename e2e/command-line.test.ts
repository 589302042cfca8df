import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import path from 'node:path';

const run = (what: string, ...args: string[]) =>
  new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) =>
    execFile(process.execPath, [path.join(import.meta.dirname, what, 'main.mjs'), ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    ),
  );

describe.each(['bench', 'faults'])('npm run %s', (what) => {
  it('lists its options and what there is for --help', async () => {
    const { code, stdout, stderr } = await run(what, '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^npm run ${what} -- <name>`));
    expect(stdout).toContain(what === 'bench' ? '  workflows  ' : '  scheduler  ');
  });

  it.each([
    ['an option that there is not', ['--nope'], "Unknown option '--nope'"],
    ['a name that there is not', ['nope'], '`nope`; there are: '],
    ['two names', ['one', 'two'], '`one`, and not also `two`'],
  ])('refuses %s with a sentence', async (_what, args, sentence) => {
    const { code, stdout, stderr } = await run(what, ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(sentence);
    expect(stderr).toContain(`npm run ${what} -- --help`);
    expect(stderr).not.toContain('    at ');
  });
});
