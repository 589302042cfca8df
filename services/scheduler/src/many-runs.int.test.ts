import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@writ/ledger/domain';
import { RunState, type StartRunsResponse_Item } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import { json, SchedulerStack } from './testing/scheduler-stack.js';

let stack: SchedulerStack;
beforeAll(async () => {
  stack = await SchedulerStack.start();
  await stack.addScheduler();
}, 60_000);
afterAll(() => stack[Symbol.asyncDispose]());
afterEach(() => stack.stopWorkers());

function outcomeOf({ outcome }: StartRunsResponse_Item): string {
  if (outcome.case === 'problem') return outcome.value.code;
  return outcome.value?.attached ? 'run again' : String(outcome.case);
}

describe('10,000 starts in one call', () => {
  test('are started or refused each by itself, and a repeat starts none of them again', async () => {
    verifies('scheduler.many_starts');
    const runs = stack.runs({}, 1);
    const items = Array.from({ length: 10_000 }, (_, n) => ({
      workflow: 'nobody-serves-it',
      id: newId('run'),
      input: json(n),
    }));
    const bad = new Map<number, string>([
      [17, 'request.invalid'],
      [4_000, 'run.bad_input'],
      [9_999, 'run.conflict'],
    ]);
    items[17] = { ...items[17]!, workflow: '' };
    items[4_000] = { ...items[4_000]!, id: 'agt_no_run' };
    items[9_999] = { ...items[0]!, input: json('another') };
    const first = (await runs.startRuns({ items })).items;
    expect(first).toHaveLength(10_000);
    for (const [i, item] of first.entries()) expect([i, outcomeOf(item)]).toEqual([i, bad.get(i) ?? 'run']);
    const again = (await runs.startRuns({ items: items.slice(0, 200) })).items;
    for (const [i, item] of again.entries()) expect([i, outcomeOf(item)]).toEqual([i, bad.get(i) ?? 'run again']);
    expect((await stack.events(items[5]!.id)).map(({ type }) => type)).toEqual(['run.started.v1']);
  }, 60_000);

  test('may have ids that somebody chose', async () => {
    const runs = stack.runs();
    const items = ['mine-1', 'mine-2', 'mine-1'].map((id) => ({ workflow: 'nobody-serves-it', id }));
    expect((await runs.startRuns({ items })).items.map(outcomeOf).sort()).toEqual(['run', 'run', 'run again']);
    expect((await runs.startRuns({ items: items.slice(0, 2) })).items.map(outcomeOf)).toEqual([
      'run again',
      'run again',
    ]);
  });
});

test('many messages in one call are sent or refused each by itself, in their order, and each once', async () => {
  verifies('scheduler.many_messages');
  const runs = stack.runs();
  const { id, warnings } = await runs.startRun({ workflow: 'nobody-serves-it' });
  expect(warnings).toMatchObject([{ code: 'no_worker', text: expect.stringContaining('nobody-serves-it') }]);
  const items = Array.from({ length: 600 }, (_, n) => ({ id, message: 'm', data: json(n), idempotencyKey: `k${n}` }));
  const bad = new Map([
    [3, 'request.invalid'],
    [500, 'run.not_found'],
  ]);
  items[3] = { ...items[3]!, message: '' };
  items[500] = { ...items[500]!, id: 'run_unknown' };
  for (const _ of ['sent', 'again']) {
    const sent = (await runs.sendMessages({ items })).items;
    expect(sent).toHaveLength(600);
    for (const [i, { outcome }] of sent.entries()) {
      const what = outcome.case === 'problem' ? outcome.value.code : outcome.case;
      expect([i, what]).toEqual([i, bad.get(i) ?? 'sent']);
    }
  }
  const received = (await stack.events(id)).slice(1).map(({ data }) => (data as { value: number }).value);
  expect(received).toEqual(items.map((_, n) => n).filter((n) => !bad.has(n)));
});

describe('the ends of many runs', () => {
  /** Waits for runs over one stream to one scheduler, from before they are started. */
  function awaiting(ids: readonly string[], at: number) {
    const ends: { id: string; state: RunState; value: unknown; problem: string | undefined }[] = [];
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const requests = (async function* () {
      yield { ids: [...ids] };
      await finished;
    })();
    const done = (async () => {
      for await (const { ends: some } of stack.runs({}, at).awaitRuns(requests))
        for (const { id, state, result, problem } of some) {
          const bytes = result && Buffer.from(result.data).toString();
          ends.push({ id, state, value: bytes ? (JSON.parse(bytes) as unknown) : undefined, problem: problem?.code });
          if (ends.length === ids.length) finish();
        }
    })();
    return { ends, done };
  }

  test('come from all replicas over one stream, those that came before too, and of none that there is not', async () => {
    verifies('scheduler.many_ends');
    stack.worker({ echo: async (_ctx, input) => input, broken: () => Promise.reject(new Error('no')) });
    const runs = stack.runs();
    const ids = Array.from({ length: 120 }, () => newId('run'));
    const start = (some: string[]) =>
      runs.startRuns({
        items: some.map((id, n) => ({ workflow: n % 10 === 9 ? 'broken' : 'echo', id, input: json(id) })),
      });
    await start(ids.slice(0, 60));
    const both = [0, 1].map((at) => awaiting([...ids.slice(0, 60), 'no-such-run'], at));
    for (const { done } of both) await done;
    for (const { ends } of both) {
      const of = new Map(ends.map((end) => [end.id, end]));
      expect(of.size).toBe(61);
      expect(of.get('no-such-run')).toMatchObject({ problem: 'run.not_found' });
      ids.slice(0, 60).forEach((id, n) => {
        if (n % 10 === 9) expect(of.get(id)).toMatchObject({ state: RunState.FAILED });
        else expect(of.get(id)).toMatchObject({ state: RunState.SUCCEEDED, value: id });
      });
    }
    // Long over: nothing but the ledger has them.
    const late = awaiting(ids.slice(0, 60), 1);
    await late.done;
    expect(new Set(late.ends.map(({ id }) => id))).toEqual(new Set(ids.slice(0, 60)));
  }, 60_000);

  test('come although the replica that owned the runs is gone', async () => {
    verifies('scheduler.many_ends');
    const ids = Array.from({ length: 80 }, () => newId('run'));
    await stack.runs().startRuns({ items: ids.map((id) => ({ workflow: 'later', id, input: json(id) })) });
    const { ends, done } = awaiting(ids, 0);
    await stack.schedulers.pop()?.stop();
    stack.worker({ later: async (_ctx, input) => input });
    await done;
    expect(new Set(ends.map(({ id }) => id))).toEqual(new Set(ids));
    expect(ends.every(({ state }) => state === RunState.SUCCEEDED)).toBe(true);
  }, 60_000);
});

test('a run gets its grant when somebody has to act in it, before its end closes it', async () => {
  verifies('scheduler.grant_when_needed');
  const grants = async (run: string) => {
    const types: string[] = [];
    for await (const { events } of stack.others.read('identity', 0))
      for (const { subject, type, data } of events)
        if (subject === run)
          types.push(type === 'grant.issued.v1' ? JSON.stringify((data as { details: unknown }).details) : type);
    return types;
  };
  const runs = stack.runs({ grant: ['run.*', 'tool.call'] });
  const [plain, acting] = [newId('run'), newId('run')];
  await runs.startRuns({
    items: [plain, acting].map((id) => ({ workflow: 'w', id, grant: [{ actions: ['tool.call'] }] })),
  });
  const authorize = { tenant: 'tnt_test', aggregate: 'run', subject: acting, command: { type: 'authorize' } };
  await stack.others.commands('scheduler').send({ ...authorize, actor: { principal: 'identity', kind: 'service' } });
  for (const id of [acting, plain]) await runs.cancelRun({ id, force: true, reason: 'enough' });
  await eventually(async () => (await grants(acting)).length === 2);
  expect(await grants(acting)).toEqual(['[{"type":"writ","actions":["tool.call"]}]', 'grant.closed.v1']);
  expect(await grants(plain)).toEqual([]);
}, 30_000);
