import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { entries } from '../entries.js';
import { isNoun } from './command.js';
import { globalsOf } from './globals.js';
import { programOf, type Chosen } from './program.js';

function parse(...args: string[]): { chosen?: Chosen; out: string; refused?: string } {
  let out = '';
  let chosen: Chosen | undefined;
  const streams = { out: (text: string) => void (out += text), err: () => {}, columns: 100 };
  try {
    programOf(entries, '1.2.3', streams, (picked) => (chosen = picked)).parse(args, { from: 'user' });
  } catch (error) {
    return { out, refused: (error as Error).message };
  }
  return { out, ...(chosen && { chosen }) };
}

const commands = entries.flatMap((entry) =>
  isNoun(entry) ? entry.verbs.map((verb) => [`${entry.name} ${verb.name}`]) : [[entry.name]],
);

test.each(commands)('writ %s --help has examples of itself', (path) => {
  verifies('cli.help');
  const { out } = parse(...path.split(' '), '--help');
  expect(out).toContain(`Usage: writ ${path}`);
  expect(out).toMatch(new RegExp(`Examples:\\n  \\$ writ (.*\\$\\(writ )?${path}`));
});

test('the commands of the first day are there', () => {
  const daily = ['dev', 'doctor', 'status', 'revoke', 'completion'];
  const things = [
    ...['start', 'get', 'list', 'watch', 'send', 'query', 'update', 'cancel', 'replay'].map((verb) => `run ${verb}`),
    ...['list', 'get', 'create'].map((verb) => `agent ${verb}`),
    ...['list', 'get', 'approve', 'deny'].map((verb) => `approval ${verb}`),
    ...['check', 'push'].map((verb) => `policy ${verb}`),
    ...['search', 'show', 'verify', 'export'].map((verb) => `audit ${verb}`),
    ...['sandbox list', 'sandbox exec', 'memory search', 'tool list', 'tool call'],
  ];
  expect(commands.flat()).toEqual(expect.arrayContaining([...daily, ...things]));
});

describe('what is not right is refused', () => {
  test.each([
    ['rn list', 'Did you mean run?'],
    ['run list --state sleeping', 'Allowed choices are queued'],
    ['run list --limit many', 'must be a number'],
    ['run list --limit -1', 'must be a number'],
    ['run get', "missing required argument 'id'"],
    ['run get a b', 'too many arguments'],
    ['revoke agt_1', "required option '--reason <text>'"],
  ])('writ %s', (line, told) => {
    verifies('cli.usage');
    expect(parse(...line.split(' ')).refused).toContain(told);
  });
});

test('flags, lists and arguments have their types, global flags stand anywhere', () => {
  const { chosen } = parse(
    'sandbox',
    'exec',
    'sbx_1',
    '--json',
    '--env',
    'A=1',
    '--env',
    'B=2',
    '--limit',
    '5',
    '--',
    'ls',
    '--json',
  );
  expect(chosen).toMatchObject({
    given: { id: 'sbx_1', argv: ['ls', '--json'] },
    options: { env: ['A=1', 'B=2'], limit: 5, stdin: false },
    globals: { json: true },
  });
});

describe('who may be asked', () => {
  const mayAsk = (args: string[], env = {}, terminal = true) =>
    globalsOf(parse('status', ...args).chosen?.globals ?? {}, env, terminal).mayAsk;
  test.each([
    ['a person at a terminal', [], {}, true, true],
    ['nobody without a terminal', [], {}, false, false],
    ['nobody in CI', [], { CI: 'true' }, true, false],
    ['nobody with --no-input', ['--no-input'], {}, true, false],
    ['nobody with --json', ['--json'], {}, true, false],
  ])('%s', (_who, args, env, terminal, expected) => {
    verifies('cli.confirm');
    expect(mayAsk(args, env, terminal)).toBe(expected);
  });
});
