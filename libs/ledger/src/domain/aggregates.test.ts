import { describe, expect, test } from '@jest/globals';
import { aggregates, type Aggregate } from './aggregates.js';
import type { Command, EventDraft, Json, LedgerEvent } from './events.js';
import { refuse } from './refusals.js';

type Counter = { total: number };
type CounterCommand = { type: 'add'; by: number } | { type: 'addFrom'; other: string };
type Added = EventDraft<'counter.added.v1', { by: number }>;

const counter: Aggregate<Counter, CounterCommand, Added> = {
  name: 'counter',
  initial: { total: 0 },
  events: ['counter.added.v1'],
  decide(command, _state, about) {
    if (command.type === 'addFrom') {
      const other = about.peek<Counter>('counter', command.other);
      return [{ type: 'counter.added.v1', data: { by: other?.total ?? -1 } }];
    }
    if (command.by < 0) throw refuse('counter.negative', `${command.by} is below zero`);
    return command.by === 0 ? [] : [{ type: 'counter.added.v1', data: { by: command.by } }];
  },
  evolve: (state, event) => ({ total: state.total + event.data.by }),
};
const session: Aggregate<number, { type: 'touch' }, EventDraft<'session.touched.v1', null>> = {
  name: 'session',
  initial: 0,
  events: ['session.touched.v1'],
  forgetAfterMs: 1000,
  decide: () => [{ type: 'session.touched.v1', data: null }],
  evolve: (count) => count + 1,
};

const command = (aggregate: string, subject: string, body: object, tenant = 'tnt_1') =>
  ({
    id: 'cmd',
    tenant,
    aggregate,
    subject,
    command: body,
    actor: { principal: 'p', kind: 'service' },
    time: '',
  }) as unknown as Command;
const event = (type: string, subject: string, data: Json, ms = 0, tenant = 'tnt_1'): LedgerEvent => ({
  specversion: '1.0', id: 'evt', type, source: 's/00', subject, time: new Date(ms).toISOString(), data, tenant, actor: { principal: 'p', kind: 'service' }, cause: 'c',
}); // prettier-ignore
const at = { commit: 1, index: 0 };

describe('aggregates', () => {
  test('decides on the state of its own subject and tenant', () => {
    const model = aggregates([counter, session])();
    model.evolve(event('counter.added.v1', 'a', { by: 3 }), at);
    model.evolve(event('counter.added.v1', 'a', { by: 100 }, 0, 'tnt_2'), at);
    expect(model.decide(command('counter', 'b', { type: 'addFrom', other: 'a' }))).toEqual([
      { type: 'counter.added.v1', data: { by: 3 } },
    ]);
    expect(model.decide(command('counter', 'a', { type: 'add', by: 0 }))).toEqual([]);
    expect(() => model.decide(command('counter', 'a', { type: 'add', by: -1 }))).toThrow('-1 is below zero');
  });

  test('refuses a command for an aggregate it does not have', () => {
    expect(() => aggregates([counter])().decide(command('nope', 'a', { type: 'x' }))).toThrow(
      expect.objectContaining({ code: 'ledger.unknown_command' }),
    );
  });

  test('ignores events that are of none of them', () => {
    const model = aggregates([counter])();
    model.evolve(event('partition.claimed.v1', 's/00', { epoch: 1 }), at);
    expect(model.snapshot()).toEqual({ counter: [] });
  });

  test('a snapshot restores the same state, and later events leave it alone', () => {
    const model = aggregates([counter, session])();
    model.evolve(event('counter.added.v1', 'a', { by: 3 }), at);
    model.evolve(event('session.touched.v1', 's', null, 5), at);
    const snapshot = model.snapshot();
    const text = JSON.stringify(snapshot);
    model.evolve(event('counter.added.v1', 'a', { by: 3 }), at);
    expect(JSON.stringify(snapshot)).toBe(text);
    const copy = aggregates([counter, session])();
    copy.restore(JSON.parse(text) as Json);
    expect(JSON.stringify(copy.snapshot())).toBe(text);
  });

  test('forgets what nothing touched for the given time, by event time', () => {
    const model = aggregates([session])();
    model.evolve(event('session.touched.v1', 'old', null, 0), at);
    model.evolve(event('session.touched.v1', 'kept', null, 0), at);
    model.evolve(event('session.touched.v1', 'kept', null, 900), at);
    model.evolve(event('session.touched.v1', 'new', null, 1001), at);
    expect(model.snapshot()).toEqual({
      session: [
        ['tnt_1/kept', 2, 900],
        ['tnt_1/new', 1, 1001],
      ],
    });
  });

  test('forgets a subject that is back in its initial state', () => {
    const lease = { ...session, name: 'lease', initial: 0, evolve: (state: number) => (state === 1 ? 0 : state + 1) };
    const { forgetAfterMs: _none, ...kept } = lease;
    const model = aggregates([kept])();
    model.evolve(event('session.touched.v1', 'a', null), at);
    expect(model.snapshot()).toEqual({ lease: [['tnt_1/a', 1, 0]] });
    model.evolve(event('session.touched.v1', 'a', null), at);
    expect(model.snapshot()).toEqual({ lease: [] });
  });

  test('two aggregates of one name or one event type stop the start', () => {
    expect(() => aggregates([counter, counter])).toThrow(/two aggregates are called counter/);
    expect(() => aggregates([counter, { ...counter, name: 'other' }])).toThrow(/both write counter.added.v1/);
  });

  test('another evolve is another version', () => {
    const other = { ...counter, evolve: (state: Counter) => state };
    expect(aggregates([other])().version).not.toBe(aggregates([counter])().version);
    expect(aggregates([{ ...counter, version: 2 }])().version).not.toBe(aggregates([counter])().version);
  });
});
