import { describe, expect, test } from '@jest/globals';
import { refuse } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import { digestOf } from '../digest.js';
import { approvalOf, callerNamed, pipelineFixture, publish, write, type BareRequest } from './pipeline.fixture.js';
import { CannotSay, refusalOf, valueOf } from './request.js';

const code = (expected: string) => expect.objectContaining({ code: expected });
const never = () => Promise.reject(new Error('it must not be performed'));

describe('a permitted action', () => {
  test('is intended before it is performed, and its outcome is recorded before it is handed out', async () => {
    verifies('enforcement.intent_first');
    const { pipeline, owner } = pipelineFixture();
    const done = await pipeline.perform(
      { ...write('out/a'), summary: (value: number) => ({ bytes: value }) },
      ({ effectId, decision }) => {
        expect(owner.told).toEqual(['action.intended.v1']);
        expect(effectId).toBe('e1');
        expect(decision).toMatchObject({ outcome: 'allow', policyVersion: 'v1', revocationEpoch: 7, mode: 'enforce' });
        return Promise.resolve(42);
      },
    );
    expect(owner.told).toEqual(['action.intended.v1', 'action.completed.v1']);
    expect(done).toMatchObject({
      outcome: 'done',
      value: 42,
      position: 'test/00/2/0',
      decision: { reasons: [{ policy: 'reports' }] },
    });
    expect(owner.events[0]?.data).toMatchObject({
      effectId: 'e1',
      principal: 'agt_1',
      argumentsDigest: digestOf({ path: 'out/a' }),
      arguments: { path: 'out/a' },
    });
    expect(owner.events[1]?.data).toMatchObject({ ok: true, summary: { bytes: 42 } });
  });

  test('is performed once: a repeat gets the recorded outcome', async () => {
    verifies('enforcement.effect_once');
    const { pipeline } = pipelineFixture();
    await pipeline.perform({ ...write('out/a'), summary: () => 'recorded' }, () => Promise.resolve('first'));
    const again = await pipeline.perform(write('out/a'), never);
    expect(again).toMatchObject({ outcome: 'replayed', value: 'recorded' });
    expect(valueOf(again)).toBe('recorded');
  });

  test('takes an effect id that names a run only in that run', async () => {
    verifies('enforcement.effect_of_run');
    const { pipeline, owner } = pipelineFixture();
    const effectId = 'run_1/write#1/1';
    for (const over of [{}, { run: 'run_2' }])
      await expect(
        pipeline.perform(write('out/a', { effectId, caller: callerNamed('agt_1', over) }), never),
      ).rejects.toEqual(code('action.not_yours'));
    expect(owner.told).toEqual(Array(2).fill('action.refused.v1 action.not_yours'));
    const own = write('out/a', { effectId, caller: callerNamed('agt_1', { run: 'run_1' }) });
    expect(await pipeline.perform(own, () => Promise.resolve('mine'))).toMatchObject({ value: 'mine' });
    const begun = pipeline.begin(write('out/a', { effectId: 'run_1/other#1/1' }));
    await expect(begun).rejects.toEqual(code('action.not_yours'));
  });

  test('that is still running is joined by its repeat', async () => {
    const { pipeline, owner } = pipelineFixture();
    const { promise, resolve } = Promise.withResolvers<string>();
    const first = pipeline.perform(write('out/a'), () => promise);
    const second = pipeline.perform(write('out/a'), never);
    await Promise.resolve();
    resolve('once');
    expect(await first).toMatchObject({ outcome: 'done', value: 'once' });
    expect(await second).toMatchObject({ outcome: 'done', value: 'once' });
    expect(owner.told).toEqual(['action.intended.v1', 'action.completed.v1']);
  });

  test('that failed is recorded as failed and fails again the same way', async () => {
    const { pipeline, owner } = pipelineFixture();
    const failing = () => Promise.reject(refuse('tools.upstream_failed', 'it answered 500'));
    await expect(pipeline.perform(write('out/a'), failing)).rejects.toThrow(code('tools.upstream_failed'));
    await expect(pipeline.perform(write('out/a'), never)).rejects.toThrow(code('tools.upstream_failed'));
    expect(owner.told).toEqual(['action.intended.v1', 'action.completed.v1 failed']);
  });

  test.each([
    ['an outage, where doing it twice does no harm', 'idempotent', 'service.unavailable', true],
    ['an outage, where nobody knows how far it came', 'write', 'service.unavailable', false],
    ['a caller that went away, where doing it twice does no harm', 'read', 'request.cancelled', true],
    ['a caller that went away in the middle', 'write', 'request.cancelled', false],
    ['a refusal for the moment', 'write', 'ledger.unavailable', true],
    ['a refusal for good', 'idempotent', 'request.invalid', false],
  ] as const)('that failed by %s stays open or not: its repeat', async (_why, effect, failure, open) => {
    verifies('enforcement.failed_for_now');
    const { pipeline, owner } = pipelineFixture();
    const request = { ...write('out/a'), effect };
    const failing = () => Promise.reject(refuse(failure, 'not now'));
    await expect(pipeline.perform(request, failing)).rejects.toThrow(code(failure));
    const again = pipeline.perform(request, () => Promise.resolve('done'));
    if (open) expect(await again).toMatchObject({ outcome: 'done', value: 'done' });
    else await expect(again).rejects.toThrow(code(failure));
    const both = ['action.intended.v1', 'action.completed.v1 failed', 'action.intended.v1', 'action.completed.v1'];
    expect(owner.told).toEqual(both.slice(0, open ? 4 : 2));
  });

  test('that broke by a bug leaves nothing of its message in the ledger', async () => {
    const { pipeline, owner } = pipelineFixture();
    await expect(
      pipeline.perform(write('out/a'), () => Promise.reject(new TypeError('password is hunter2'))),
    ).rejects.toThrow('hunter2');
    expect(JSON.stringify(owner.events)).not.toContain('hunter2');
    expect(owner.events[1]?.data).toMatchObject({ ok: false, error: { code: 'action.failed', detail: 'TypeError' } });
  });

  test('of which nobody can say whether it happened ends as unknown, for its repeat too', async () => {
    verifies('enforcement.unknown_outcome');
    const { pipeline, owner } = pipelineFixture();
    const unsure = () => Promise.reject(new CannotSay('no answer in 30 s'));
    expect(await pipeline.perform(write('out/a'), unsure)).toMatchObject({
      outcome: 'unknown',
      reason: 'no answer in 30 s',
    });
    expect(await pipeline.perform(write('out/a'), never)).toMatchObject({ outcome: 'unknown' });
    expect(owner.told).toEqual(['action.intended.v1', 'action.outcome_unknown.v1']);
  });
});

describe('secrets', () => {
  test('are in no event, and the digest is of the exact arguments', async () => {
    verifies('enforcement.redacts');
    const { pipeline, owner } = pipelineFixture();
    const args = { path: 'out/a', headers: [{ token: 'hunter2' }] };
    await pipeline.perform(write('', { arguments: args, redact: ['/headers/*/token'] }), () => Promise.resolve());
    await pipeline.perform(
      write('', { arguments: { ...args, path: '/etc' }, effectId: 'e2', redact: ['/headers/*/token'] }),
      never,
    );
    expect(owner.told).toEqual(['action.intended.v1', 'action.completed.v1', 'action.refused.v1 policy.denied']);
    expect(JSON.stringify(owner.events)).not.toContain('hunter2');
    expect(owner.events[0]?.data).toMatchObject({
      argumentsDigest: digestOf(args),
      arguments: { path: 'out/a', headers: [{ token: '[redacted]' }] },
    });
  });
});

describe('what is refused', () => {
  test('arguments outside the policy: denied, with the reasons, recorded', async () => {
    verifies('enforcement.refusals_recorded');
    const { pipeline, owner } = pipelineFixture();
    const denied = await pipeline.perform(write('/etc/passwd'), never);
    expect(denied).toMatchObject({
      outcome: 'denied',
      decision: { outcome: 'deny', reasons: [{ code: 'policy.not_permitted' }] },
      position: 'test/00/1/0',
    });
    expect(owner.told).toEqual(['action.refused.v1 policy.denied']);
    expect(() => valueOf(denied)).toThrow(code('policy.denied'));
  });

  test.each<[string, Partial<BareRequest>, string]>([
    ['a capability that the token lacks', { caller: callerNamed('agt_1', { grant: [] }) }, 'auth.missing_capability'],
    [
      'a capability on another resource',
      { caller: callerNamed('agt_1', { grant: [{ type: 'writ', actions: ['tool.call'], resources: ['web/*'] }] }) },
      'auth.missing_capability',
    ],
  ])('%s, recorded', async (_, over, expected) => {
    const { pipeline, owner } = pipelineFixture();
    await expect(pipeline.perform(write('out/a', over), never)).rejects.toThrow(code(expected));
    expect(owner.told).toEqual([`action.refused.v1 ${expected}`]);
  });

  test('a revoked caller, and everybody while revocations are unknown, recorded', async () => {
    const { pipeline, owner, trusted } = pipelineFixture();
    trusted.revoked = true;
    await expect(pipeline.perform(write('out/a'), never)).rejects.toThrow(code('auth.revoked'));
    trusted.unknown = true;
    await expect(pipeline.perform(write('out/a'), never)).rejects.toThrow(code('auth.revocation_unknown'));
    expect(owner.told).toEqual(['action.refused.v1 auth.revoked', 'action.refused.v1 auth.revocation_unknown']);
  });

  test('the same effect id with other arguments, or of another principal, recorded', async () => {
    const { pipeline, owner } = pipelineFixture();
    await pipeline.perform(write('out/a'), () => Promise.resolve());
    await expect(pipeline.perform(write('out/b'), never)).rejects.toThrow(code('action.arguments_changed'));
    await expect(pipeline.perform(write('out/a', { caller: callerNamed('agt_2') }), never)).rejects.toThrow(
      code('action.not_yours'),
    );
    expect(owner.told.slice(2)).toEqual([
      'action.refused.v1 action.arguments_changed',
      'action.refused.v1 action.not_yours',
    ]);
  });

  test('arguments that have no canonical form, in every mode', async () => {
    for (const mode of ['enforce', 'log-only'] as const) {
      const { pipeline } = pipelineFixture(mode);
      const denied = await pipeline.perform(write('', { arguments: { path: 'out/a', x: '\ud800' } }), never);
      expect(denied).toMatchObject({
        outcome: 'denied',
        decision: { reasons: [{ code: 'policy.arguments_invalid' }] },
      });
    }
  });

  test('an action is refused although the refusal cannot be recorded, and not performed when the intent cannot', async () => {
    const { pipeline, owner, trusted } = pipelineFixture();
    owner.failing = refuse('ledger.unavailable', 'no owner');
    await expect(pipeline.perform(write('out/a'), never)).rejects.toThrow(code('ledger.unavailable'));
    trusted.revoked = true;
    await expect(pipeline.perform(write('out/a'), never)).rejects.toThrow(code('auth.revoked'));
  });

  test('what was done while it was permitted is handed out, though it is denied by now', async () => {
    const { pipeline, use } = pipelineFixture();
    await pipeline.perform({ ...write('out/a'), summary: () => 'done' }, () => Promise.resolve());
    use('', 'v2');
    expect(await pipeline.perform(write('out/a'), never)).toMatchObject({ outcome: 'replayed', value: 'done' });
    expect(await pipeline.perform(write('out/a', { effectId: 'e2' }), never)).toMatchObject({ outcome: 'denied' });
  });
});

describe('log-only', () => {
  test('performs what the policy denies or asks for, and records the verdict', async () => {
    verifies('policy.log_only');
    const { pipeline, owner, approvals } = pipelineFixture('log-only');
    expect(await pipeline.perform(write('/etc/passwd'), () => Promise.resolve('x'))).toMatchObject({
      outcome: 'done',
      decision: { outcome: 'deny', mode: 'log-only' },
    });
    expect(await pipeline.perform(publish({ effectId: 'e2' }), () => Promise.resolve('x'))).toMatchObject({
      outcome: 'done',
      decision: { outcome: 'ask' },
    });
    expect(approvals.asked).toEqual([]);
    expect(owner.told).toEqual([
      'action.intended.v1',
      'action.completed.v1',
      'action.intended.v1',
      'action.completed.v1',
    ]);
  });
});

describe('an approval', () => {
  const approval = approvalOf('e1', digestOf({ path: 'out/a' }), 'v1');

  test('is asked for once, and the action is performed once a person approved', async () => {
    const { pipeline, owner, approvals } = pipelineFixture();
    const asked = await pipeline.perform(publish(), never);
    expect(asked).toMatchObject({
      outcome: 'ask',
      approvalId: approval,
      decision: { outcome: 'ask', reasons: [{ policy: 'public', text: 'Publish?' }] },
    });
    expect(await pipeline.perform(publish(), never)).toMatchObject({ outcome: 'ask', approvalId: approval });
    expect(approvals.asked[0]).toMatchObject({ approval, approvers: ['group:editors'], detail: { path: 'out/a' } });
    expect(() => valueOf(asked)).toThrow(code('policy.approval_required'));
    approvals.answers.set(approval, 'approve');
    const done = await pipeline.perform(publish(), () => Promise.resolve('published'));
    expect(done).toMatchObject({
      outcome: 'done',
      decision: { outcome: 'allow', reasons: [{ code: 'policy.approved', policy: 'public' }] },
    });
    expect(owner.told).toEqual(['action.asked.v1', 'action.intended.v1', 'action.completed.v1']);
    expect(owner.events[1]?.data).toMatchObject({ approval });
  });

  test.each(['approval.denied', 'approval.expired'] as const)(
    'that ended as %s stops the action, recorded',
    async (answer) => {
      const { pipeline, owner, approvals } = pipelineFixture();
      await pipeline.perform(publish(), never);
      approvals.answers.set(approval, answer);
      await expect(pipeline.perform(publish(), never)).rejects.toThrow(code(answer));
      expect(owner.told).toEqual(['action.asked.v1', `action.refused.v1 ${answer}`]);
    },
  );

  test('that the caller names and nobody knows is refused, not asked for', async () => {
    const { pipeline, approvals } = pipelineFixture();
    await expect(pipeline.perform(publish({ approval: 'apr_x' }), never)).rejects.toThrow(code('approval.not_found'));
    expect(approvals.asked).toEqual([]);
  });

  test('is not asked for when a forbid would hold all the same', async () => {
    const { pipeline, use, approvals } = pipelineFixture();
    use(
      '@ask("?") permit(principal, action, resource); @id("no") forbid(principal, action, resource) when { context.approved };',
      'v2',
    );
    expect(await pipeline.perform(publish(), never)).toMatchObject({
      outcome: 'denied',
      decision: { reasons: [{ policy: 'no' }] },
    });
    expect(approvals.asked).toEqual([]);
  });

  test('is asked for anew when the policy changed', async () => {
    const { pipeline, use, approvals } = pipelineFixture();
    await pipeline.perform(publish(), never);
    approvals.answers.set(approval, 'approve');
    use('@id("public") @ask("Really?") permit(principal, action, resource);', 'v2');
    const asked = await pipeline.perform(publish(), never);
    expect(asked).toMatchObject({ outcome: 'ask' });
    expect(asked.outcome === 'ask' && asked.approvalId).not.toBe(approval);
  });
});

describe('revocation', () => {
  test('aborts what runs, and its caller gets no result', async () => {
    verifies('enforcement.revocation_aborts');
    const { pipeline, owner, trusted, running } = pipelineFixture();
    const result = pipeline.perform(write('out/a'), ({ signal }) => {
      trusted.revoked = true;
      queueMicrotask(() => running.abortRevoked());
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    });
    await expect(result).rejects.toThrow(code('auth.revoked'));
    expect(owner.events[1]?.data).toMatchObject({ ok: false, error: { code: 'auth.revoked' } });
  });

  test('that an act ignores still keeps the result from the caller, and the ledger tells what happened', async () => {
    const { pipeline, owner, trusted, running } = pipelineFixture();
    const result = pipeline.perform(write('out/a'), () => {
      trusted.revoked = true;
      running.abortRevoked();
      return Promise.resolve('secret');
    });
    await expect(result).rejects.toThrow(code('auth.revoked'));
    expect(owner.told).toEqual(['action.intended.v1', 'action.completed.v1']);
  });
});

describe('a holder that is gone', () => {
  const crash = (pipeline: ReturnType<typeof pipelineFixture>['pipeline'], request: BareRequest) => {
    const started = Promise.withResolvers<void>();
    void pipeline.perform(request, () => new Promise(() => started.resolve()));
    return started.promise;
  };

  test('leaves an effect unknown, or performed again where that does no harm', async () => {
    const { pipeline, make, gone, owner } = pipelineFixture();
    await crash(pipeline, write('out/a'));
    await crash(pipeline, write('out/a', { effectId: 'e2', effect: 'read' }));
    await expect(make('enf_2').perform(write('out/a'), never)).rejects.toThrow(code('action.in_progress'));
    gone.add('enf_1');
    expect(await make('enf_2').perform(write('out/a'), never)).toMatchObject({ outcome: 'unknown' });
    expect(
      await make('enf_2').perform(write('out/a', { effectId: 'e2', effect: 'read' }), () => Promise.resolve(1)),
    ).toMatchObject({ outcome: 'done' });
    expect(owner.told.slice(2)).toEqual(['action.outcome_unknown.v1', 'action.intended.v1', 'action.completed.v1']);
  });

  test('of the same name is taken for gone: its outcome was never recorded', async () => {
    const { make } = pipelineFixture();
    await crash(make('enf_3'), write('out/a'));
    expect(await make('enf_3').perform(write('out/a'), never)).toMatchObject({ outcome: 'unknown' });
  });
});

describe('an action in two halves', () => {
  test('is begun, and ended under a newer token', async () => {
    const { pipeline, owner } = pipelineFixture();
    expect(await pipeline.begin(write('out/a'))).toMatchObject({ outcome: 'begun' });
    expect(await pipeline.begin(write('out/a'))).toMatchObject({ outcome: 'begun' });
    await pipeline.end(callerNamed('agt_1', { tokenId: 'tok_2' }), 'e1', { ok: true, summary: 5 });
    await pipeline.end(callerNamed(), 'e1', { ok: true, summary: 5 });
    expect(await pipeline.begin(write('out/a'))).toMatchObject({ outcome: 'replayed', value: 5 });
    expect(owner.told).toEqual(['action.intended.v1', 'action.completed.v1']);
  });

  test('that lost its worker is unknown to the next one', async () => {
    const { pipeline } = pipelineFixture();
    await pipeline.begin(write('out/a'));
    const next = write('out/a', { caller: callerNamed('agt_1', { tokenId: 'tok_2' }) });
    const begun = await pipeline.begin(next);
    expect(begun).toMatchObject({ outcome: 'unknown' });
    expect(begun.outcome === 'unknown' && refusalOf(begun).code).toBe('action.outcome_unknown');
  });

  test('is refused like any other', async () => {
    const { pipeline } = pipelineFixture();
    expect(await pipeline.begin(write('/etc'))).toMatchObject({ outcome: 'denied' });
    expect(await pipeline.begin(publish())).toMatchObject({ outcome: 'ask' });
    await expect(pipeline.end(callerNamed(), 'e9', { ok: true, summary: 1 })).rejects.toThrow(code('action.not_begun'));
  });
});
