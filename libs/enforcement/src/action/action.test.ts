import { describe, expect, test } from '@jest/globals';
import { aggregates, type Actor, type Command, type LedgerEvent, type PartitionModel } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import { actionAggregate, type ActionCommand } from './action.js';
import type { Intended } from './action.events.js';

const agent: Actor = { principal: 'agt_1', kind: 'agent' };
const decision = {
  id: 'dec_1',
  outcome: 'allow',
  reasons: [],
  policyVersion: 'v',
  revocationEpoch: 0,
  mode: 'enforce',
} as const;
const record = {
  effectId: 'e1',
  principal: 'agt_1',
  action: 'tool.call',
  resource: { type: 'Tool', id: 's/t' },
  argumentsDigest: 'sha256:1',
  arguments: {},
  decision,
};
const intend = (over: Partial<Intended> = {}, abandonedBy?: string): ActionCommand => ({
  type: 'intend',
  ...record,
  holder: 'enf_1',
  repeatable: false,
  ...over,
  ...(abandonedBy === undefined ? {} : { abandonedBy }),
});
const complete = (holder = 'enf_1'): ActionCommand => ({
  type: 'complete',
  holder,
  durationMs: 5,
  ok: true,
  summary: { wrote: 3 },
});
const ask = (approval = 'apr_1', digest = 'sha256:1'): ActionCommand => ({
  type: 'ask',
  ...record,
  argumentsDigest: digest,
  approval,
});

/** Decides and evolves, as the owner of a partition does. */
function effect() {
  const model: PartitionModel = aggregates([actionAggregate])();
  return (command: ActionCommand, actor = agent): string[] => {
    const sent: Command = {
      id: 'c',
      tenant: 't',
      aggregate: 'action',
      subject: 'e1',
      command,
      actor,
      time: '2026-01-01T00:00:00.000Z',
    };
    const events = model.decide(sent);
    for (const event of events)
      model.evolve(
        { ...sent, ...event, subject: 'e1', specversion: '1.0', source: 's/00', cause: 'c' } as unknown as LedgerEvent,
        { commit: 1, index: 0 },
      );
    return events.map(({ type, data }) => `${type}${(data as { again?: boolean }).again ? ' again' : ''}`);
  };
}

describe('an effect', () => {
  test('is intended, then completed, each once', () => {
    verifies('enforcement.effect_once');
    const send = effect();
    expect(send(intend())).toEqual(['action.intended.v1']);
    expect(send(complete())).toEqual(['action.completed.v1']);
    expect(send(complete())).toEqual([]);
  });

  test('that is finished hands out its outcome instead of starting again', () => {
    const send = effect();
    send(intend());
    send(complete());
    expect(() => send(intend())).toThrow(
      expect.objectContaining({ code: 'action.finished', details: { outcome: { ok: true, summary: { wrote: 3 } } } }),
    );
    expect(() => send({ type: 'refuse', code: 'policy.denied', detail: 'now forbidden', ...record })).toThrow(
      expect.objectContaining({ code: 'action.finished' }),
    );
  });

  test.each([
    ['other arguments', { argumentsDigest: 'sha256:2' }],
    ['another action', { action: 'memory.write' }],
    ['another resource', { resource: { type: 'Tool', id: 's/other' } }],
  ])('refuses %s under its id, before and after it is done', (_, over) => {
    const send = effect();
    send(intend());
    expect(() => send(intend(over))).toThrow(expect.objectContaining({ code: 'action.arguments_changed' }));
    send(complete());
    expect(() => send(intend(over))).toThrow(expect.objectContaining({ code: 'action.arguments_changed' }));
  });

  test('gives its outcome to nobody else', () => {
    const send = effect();
    send(intend());
    send(complete());
    expect(() => send(intend(), { principal: 'agt_2', kind: 'agent' })).toThrow(
      expect.objectContaining({ code: 'action.not_yours' }),
    );
  });

  test('in progress elsewhere is refused; the same holder may ask again', () => {
    const send = effect();
    send(intend());
    expect(send(intend())).toEqual([]);
    expect(() => send(intend({ holder: 'enf_2' }))).toThrow(
      expect.objectContaining({ code: 'action.in_progress', details: { holder: 'enf_1' } }),
    );
  });

  test('whose holder is gone is unknown, and stays so', () => {
    verifies('enforcement.unknown_outcome');
    const send = effect();
    send(intend());
    expect(send(intend({ holder: 'enf_2' }, 'enf_1'))).toEqual(['action.outcome_unknown.v1']);
    expect(() => send(intend({ holder: 'enf_2' }))).toThrow(
      expect.objectContaining({ code: 'action.outcome_unknown' }),
    );
  });

  test('that may be repeated is begun again by another holder, and the first one is too late', () => {
    const send = effect();
    send(intend({ repeatable: true }));
    expect(send(intend({ holder: 'enf_2', repeatable: true }, 'enf_1'))).toEqual(['action.intended.v1 again']);
    expect(() => send(complete('enf_1'))).toThrow(expect.objectContaining({ code: 'action.superseded' }));
    expect(send(complete('enf_2'))).toEqual(['action.completed.v1']);
  });

  test('that failed for the moment is begun again, by whoever asks', () => {
    const send = effect();
    send(intend());
    const error = { code: 'service.unavailable', detail: 'not now', mayRetry: true } as const;
    expect(send({ type: 'complete', holder: 'enf_1', durationMs: 1, ok: false, error })).toEqual([
      'action.completed.v1',
    ]);
    expect(send(intend({ holder: 'enf_2' }))).toEqual(['action.intended.v1 again']);
    expect(send(complete('enf_2'))).toEqual(['action.completed.v1']);
    expect(() => send(intend())).toThrow(expect.objectContaining({ code: 'action.finished' }));
  });

  test('given up too early is settled by the holder that comes back', () => {
    const send = effect();
    send(intend());
    send(intend({ holder: 'enf_2' }, 'enf_1'));
    expect(() => send(complete('enf_2'))).toThrow(expect.objectContaining({ code: 'action.superseded' }));
    expect(send(complete('enf_1'))).toEqual(['action.completed.v1']);
    expect(() => send(intend({ holder: 'enf_2' }))).toThrow(expect.objectContaining({ code: 'action.finished' }));
  });

  test('of which the act itself does not know is unknown', () => {
    const send = effect();
    send(intend());
    expect(send({ type: 'doubt', holder: 'enf_1', reason: 'no answer' })).toEqual(['action.outcome_unknown.v1']);
  });

  test('begun by a worker is ended by it under a newer token, and by no other principal', () => {
    const send = effect();
    send(intend({ holder: 'worker:tok_1' }));
    expect(() => send(complete('worker:tok_2'), { principal: 'agt_2', kind: 'agent' })).toThrow(
      expect.objectContaining({ code: 'action.not_yours' }),
    );
    expect(send(complete('worker:tok_2'))).toEqual(['action.completed.v1']);
  });

  test('that was never begun cannot be completed', () => {
    expect(() => effect()(complete())).toThrow(expect.objectContaining({ code: 'action.not_begun' }));
  });

  test('is asked once for one approval, anew for another, and never for other arguments', () => {
    const send = effect();
    expect(send(ask())).toEqual(['action.asked.v1']);
    expect(send(ask())).toEqual([]);
    expect(send(ask('apr_2'))).toEqual(['action.asked.v1']);
    expect(() => send(ask('apr_1', 'sha256:2'))).toThrow(expect.objectContaining({ code: 'action.arguments_changed' }));
    expect(send(intend({ approval: 'apr_2' }))).toEqual(['action.intended.v1']);
  });

  test('may be refused and later permitted', () => {
    const send = effect();
    expect(send({ type: 'refuse', code: 'policy.denied', detail: 'no', ...record })).toEqual(['action.refused.v1']);
    expect(send({ type: 'refuse', code: 'policy.denied', detail: 'no', ...record })).toEqual(['action.refused.v1']);
    expect(send(intend())).toEqual(['action.intended.v1']);
  });
});
