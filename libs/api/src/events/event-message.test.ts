import { create, toJson } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import type { Json, LedgerEvent } from '@writ/ledger/domain';
import { EventSchema } from '@writ/proto/event/v1/event';
import { eventMessage } from './event-message.js';

const event: LedgerEvent = {
  specversion: '1.0',
  id: 'evt_1',
  type: 'run.started.v1',
  source: 'scheduler/07',
  subject: 'run_1',
  time: '2026-11-23T07:30:00.123Z',
  data: { list: [1, null, 'x'], nested: { yes: true } },
  tenant: 'tnt_1',
  actor: { principal: 'agt_1', kind: 'agent', onBehalfOf: ['psn_1'], run: 'run_0', token: 'tok_1' },
  cause: 'cmd_1',
  trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
};

test('the message of an event says all that the event says, and where it stands', () => {
  const { specversion: _fixed, ...said } = event;
  const position = 'scheduler/07/12/0';
  expect(toJson(EventSchema, create(EventSchema, eventMessage(event, position)))).toEqual({ ...said, position });
});

test('what an event leaves out is empty, and no data is null', () => {
  const bare: LedgerEvent = { ...event, data: null, actor: { principal: 'identity', kind: 'service' } };
  delete bare.trace;
  expect(toJson(EventSchema, create(EventSchema, eventMessage(bare, 'p')))).toMatchObject({
    data: null,
    actor: { principal: 'identity', kind: 'service' },
  });
});

test('data is told however deep it nests', () => {
  let data: Json = 'bottom';
  for (let depth = 0; depth < 1_000; depth++) data = [data];
  const { data: told } = eventMessage({ ...event, data }, 'p');
  expect(told?.kind?.case).toBe('listValue');
});
