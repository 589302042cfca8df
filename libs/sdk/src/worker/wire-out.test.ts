import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { WritError } from '../errors/errors.js';
import type { Command } from '../run/record.js';
import { reportsOut } from './wire-out.js';

const large = new Uint8Array(3);
const place = async (): Promise<never> => {
  throw new WritError('larger than a value may be', { code: 'run.value_too_large' });
};
const command = (kind: Command['kind'], what: Command['what']): Command => ({ kind, name: 'a', occurrence: 1, what });

test('what is too large fails its own command, and never the stream that its run came by', async () => {
  verifies('sdk.too_large');
  const question = { title: 't', detail: large, schema: undefined, approvers: [] };
  const commands = [
    command('step', { type: 'completed', attempt: 2, value: large }),
    command('emit', { type: 'emit', value: large }),
    command('child', {
      type: 'start',
      runId: '',
      workflow: 'w',
      input: large,
      queue: '',
      key: '',
      priority: 0,
      attach: false,
    }),
    command('approval', { type: 'ask', timeoutMs: 0, question }),
    command('loop', { type: 'loop', turn: 2, value: large }),
  ];
  const end = { type: 'completed', value: large } as const;
  const [part] = await reportsOut('attempt', { commands, end, idle: false, entries: 0 }, place);
  const code = 'run.value_too_large';
  const abort = { case: 'abort', value: { code } };
  expect(part?.report.commands).toMatchObject([
    { what: { case: 'failed', value: { attempt: 2, retryable: false, error: { code } } } },
    { what: abort },
    { what: abort },
    { what: abort },
    { what: abort },
  ]);
  expect(part?.report.end).toMatchObject({ case: 'failed', value: { code } });
});

test('a child is asked for with the attributes by which it is to be found', async () => {
  const child = { type: 'start', runId: '', workflow: 'w', input: undefined, queue: '', key: '', priority: 0, attach: false, attributes: { customer: 'acme' } } as const; // prettier-ignore
  const [part] = await reportsOut('attempt', { commands: [command('child', child)], idle: true, entries: 0 }, place); // prettier-ignore
  expect(part?.report.commands).toMatchObject([
    { what: { case: 'start', value: { attributes: { customer: 'acme' } } } },
  ]);
});
