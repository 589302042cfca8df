import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Kind, ReportSchema, type Report } from '@writ/proto/worker/v1/worker';
import { verifies } from '@writ/testkit';
import { reportItem } from './report.js';

const json = (text: string) => ({ value: { case: 'json' as const, value: Buffer.from(text) } });
const key = { name: 'n', occurrence: 1 };
/** One with every kind of command in it. */
const whole = create(ReportSchema, {
  attempt: 'a',
  commands: [
    { ...key, kind: Kind.STEP, what: { case: 'completed', value: json('{"a":[1,null]}') } },
    {
      ...key,
      kind: Kind.CALL,
      what: { case: 'failed', value: { attempt: 1, error: { code: 'c', message: 'm', details: json('{}') } } },
    },
    { ...key, what: { case: 'sleep', value: { until: { case: 'durationMs', value: 5n } } } },
    { ...key, what: { case: 'wait', value: { message: 'm', timeoutMs: 1n } } },
    { ...key, what: { case: 'ask', value: { about: { case: 'question', value: { title: 't', detail: json('1') } } } } },
    {
      ...key,
      what: {
        case: 'start',
        value: { workflow: 'w', runId: 'r', input: json('1'), grant: { capabilities: [{ actions: ['x'] }] } },
      },
    },
    { ...key, what: { case: 'result', value: { runId: 'r' } } },
    { ...key, what: { case: 'emit', value: json('"x"') } },
  ],
  end: { case: 'failed', value: { code: 'c', message: 'm', stack: 's' } },
});
const bytes = toBinary(ReportSchema, whole);

const change = fc.record({ at: fc.nat(bytes.length - 1), to: fc.integer({ min: 0, max: 255 }), cut: fc.boolean() });
const changed = fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
  let copy = Uint8Array.from(bytes);
  for (const { at, to, cut } of changes)
    if (cut) copy = Uint8Array.from([...copy.subarray(0, at), ...copy.subarray(at + 1)]);
    else copy[at % copy.length] = to;
  return copy;
});

test('whatever a worker reports is a report that an event can hold, or refused', () => {
  verifies('scheduler.report_total');
  let reports = 0;
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 64 })), (sent) => {
      let report: Report;
      try {
        report = fromBinary(ReportSchema, sent, { recursionLimit: 80 });
      } catch {
        return; // refused where bytes become messages
      }
      try {
        const item = reportItem(report, { run: 'run_1', life: 'run_1', partition: 3 });
        reports++;
        expect(JSON.parse(JSON.stringify(item))).toMatchObject({ run: 'run_1', attempt: report.attempt });
      } catch (error) {
        expect(error).toMatchObject({ code: 'run.bad_report' });
      }
    }),
  );
  expect(reports).toBeGreaterThan(0);
});
