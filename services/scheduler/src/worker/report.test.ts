import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { Kind, ReportSchema, type CommandSchema } from '@writ/proto/worker/v1/worker';
import { verifies } from '@writ/testkit';
import { reportItem } from './report.js';

const deep = Buffer.from(`${'['.repeat(500)}${']'.repeat(500)}`);
const json = (bytes: Uint8Array<ArrayBuffer>) => ({ value: { case: 'json' as const, value: bytes } });
const read = (command: MessageInitShape<typeof CommandSchema>) =>
  reportItem(create(ReportSchema, { attempt: 'a', commands: [{ name: 'n', occurrence: 1, ...command }] }), {
    run: 'run_1',
    life: 'run_1',
    partition: 3,
  }).commands[0];
const bad = expect.objectContaining({ code: 'run.bad_report' });

test('a child has an id that a run may have', () => {
  const start = (runId: string) => read({ what: { case: 'start', value: { runId, workflow: 'w' } } });
  expect(start('my.child-1')).toMatchObject({ child: 'my.child-1' });
  expect(start('')).toMatchObject({ child: expect.stringMatching(/^run_.*-p03$/) });
  for (const id of ['a b', 'a/b', 'a\u0000', 'x'.repeat(201), '../x', '😀']) expect(() => start(id)).toThrow(bad);
});

test('of an error whose details do not fit into an event the rest is recorded', () => {
  verifies('scheduler.deep_values');
  const failed = (bytes: Uint8Array<ArrayBuffer>) =>
    read({
      kind: Kind.STEP,
      what: { case: 'failed', value: { error: { code: 'c', message: 'm', details: json(bytes) } } },
    });
  expect(failed(Buffer.from('{"a":1}'))).toMatchObject({ error: { code: 'c', message: 'm', details: { a: 1 } } });
  expect(failed(deep)).toMatchObject({ error: { code: 'c', message: 'm', details: { leftOut: expect.any(String) } } });
});

test('a question that shows what does not fit into an event is refused', () => {
  const about = { case: 'question' as const, value: { title: 't', detail: json(deep) } };
  expect(() => read({ what: { case: 'ask', value: { about } } })).toThrow(bad);
});
