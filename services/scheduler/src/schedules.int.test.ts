import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fakeToken } from '@writ/api/testing';
import { durationFromMs, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import type { TestContext } from './testing/test-context.js';
import { json, read, SchedulerStack } from './testing/scheduler-stack.js';

let stack: SchedulerStack;
const workflows = {
  count: (_: TestContext, n: number) => Promise.resolve(n + 1),
  wait: (ctx: TestContext) => ctx.wait('go'),
};
beforeAll(async () => {
  stack = await SchedulerStack.start();
  await stack.worker(workflows).welcomed;
}, 60_000);
afterAll(async () => {
  await stack?.stopWorkers();
  await stack?.[Symbol.asyncDispose]();
});

const wait = durationFromMs(30_000);
const agent = 'agt_test';
const hourly = { cron: '0 * * * *', timeZone: 'Europe/Berlin', workflow: 'count', input: json(1), agent };
const shown = async (id: string) => (await stack.schedules().getSchedule({ id })).schedule;

describe('a schedule', () => {
  test('has a run for each of its times, and one only, while the scheduler that owns it is killed', async () => {
    verifies('schedule.once');
    const victim = await stack.addProcess();
    const ids = Array.from({ length: 16 }, (_, i) => `every-${i}`);
    const definition = { interval: durationFromMs(1000), overlap: 'allow', workflow: 'count', input: json(1), agent };
    await Promise.all(ids.map((id) => stack.schedules().createSchedule({ id, definition })));
    const started = async (id: string) => Number((await shown(id))?.started ?? 0);
    await eventually(async () => (await started('every-0')) > 1);
    await victim.kill();
    const soFar = await Promise.all(ids.map(started));
    await eventually(async () => (await Promise.all(ids.map(started))).every((now, i) => now > (soFar[i] ?? 0) + 2), {
      timeoutMs: 20_000,
    });
    await Promise.all(ids.map((id) => stack.schedules().pauseSchedule({ id, reason: 'enough' })));
    await eventually(async () => (await Promise.all(ids.map(shown))).every((each) => each?.active === 0));
    const starts = (await stack.allEvents()).filter(({ type }) => type === 'run.started.v1');
    for (const id of ids) {
      const runs = starts.flatMap(({ subject }) =>
        subject.startsWith(`${id}:`) ? [subject.slice(id.length + 1)] : [],
      );
      const times = runs.map((text) => Date.parse(text)).sort((a, b) => a - b);
      // No second is missing, and none is there twice.
      expect(times).toEqual(times.map((_, i) => (times[0] as number) + 1000 * i));
      expect(times).toHaveLength(await started(id));
    }
  }, 90_000);

  test('is shown with its definition, its next times and its last runs', async () => {
    verifies('schedule.lifecycle');
    const schedules = stack.schedules();
    const { id, nextTimes } = await schedules.createSchedule({ id: 'hourly', definition: hourly });
    expect(nextTimes.map((time) => timestampMs(time) % 3_600_000)).toEqual([0, 0, 0, 0, 0]);
    const { run } = await schedules.triggerSchedule({ id });
    const { state, result } = await stack.runs().getRunResult({ id: run, wait });
    expect([state, read(result)]).toEqual([RunState.SUCCEEDED, 2]);
    await eventually(async () => (await shown(id))?.recent[0]?.state === 'succeeded');
    expect(await shown(id)).toMatchObject({
      id,
      by: agent,
      paused: false,
      started: 1n,
      active: 0,
      nextTimes,
      definition: { cron: '0 * * * *', timeZone: 'Europe/Berlin', overlap: 'skip', workflow: 'count', agent },
      recent: [{ run, trigger: 'trigger' }],
    });
    const first = await schedules.listSchedules({ workflow: 'count', pageSize: 1 });
    const second = await schedules.listSchedules({ workflow: 'count', pageSize: 1, pageToken: first.nextPageToken });
    expect([...first.schedules, ...second.schedules]).toHaveLength(2);
    expect((await schedules.listSchedules({ workflow: 'other' })).schedules).toEqual([]);
    await schedules.updateSchedule({ id, definition: { ...hourly, cron: '@daily', note: 'less often' } });
    expect(await shown(id)).toMatchObject({ definition: { cron: '@daily', note: 'less often' } });
    await schedules.deleteSchedule({ id });
    await expect(shown(id)).rejects.toMatchObject({ code: 'schedule.not_found' });
  });

  test('says of its runs whose version they are pinned to, and their place in a queue with limits', async () => {
    verifies('schedule.place');
    const [schedules, id] = [stack.schedules(), 'placed'];
    await stack.queues().setQueue({ name: 'narrow', limits: { keyConcurrency: 1 } });
    const place = { queue: 'narrow', key: 'team-a', priority: -3, version: '2', pinned: true };
    await schedules.createSchedule({ id, definition: { ...hourly, ...place } });
    expect(await shown(id)).toMatchObject({ definition: place });
    const { run } = await schedules.triggerSchedule({ id });
    const [started] = await stack.events(run);
    expect(started?.data).toMatchObject({ version: '2', pinned: true, ticket: { key: 'team-a', priority: -3 } });
    await schedules.deleteSchedule({ id });
    const unsaid = schedules.createSchedule({ id, definition: { ...hourly, pinned: true } });
    await expect(unsaid).rejects.toMatchObject({ code: 'schedule.bad_definition' });
  });

  test('makes up for a range that has passed, and a time that has its run keeps it', async () => {
    verifies('schedule.backfill');
    const [schedules, id] = [stack.schedules(), 'monthly'];
    await schedules.createSchedule({ id, definition: { ...hourly, cron: '0 0 1 * *', timeZone: '' } });
    const range = {
      startTime: timestampFromMs(Date.parse('2026-01-01T00:00Z')),
      endTime: timestampFromMs(Date.parse('2026-04-01T00:00Z')),
    };
    for (const times of [1, 2]) {
      await schedules.backfillSchedule({ id, ...range });
      await eventually(async () => (await shown(id))?.started === BigInt(3 * times) && (await shown(id))?.active === 0);
    }
    expect((await shown(id))?.recent.map(({ run, state }) => [run, state])).toEqual(
      ['03', '02', '01', '03', '02', '01'].map((month) => [`monthly:2026-${month}-01T00:00:00Z`, 'succeeded']),
    );
    expect(
      (await stack.events('monthly:2026-02-01T00:00:00Z')).filter(({ type }) => type === 'run.started.v1'),
    ).toHaveLength(1);
  });

  test('cancels the run that goes on, and starts the next when that has ended', async () => {
    verifies('schedule.overlap');
    const [schedules, id] = [stack.schedules(), 'latest'];
    await schedules.createSchedule({ id, definition: { ...hourly, workflow: 'wait', overlap: 'cancel' } });
    const { run: first } = await schedules.triggerSchedule({ id });
    const { run: second } = await schedules.triggerSchedule({ id });
    expect(second).not.toBe(first);
    expect((await stack.runs().getRunResult({ id: first, wait })).state).toBe(RunState.CANCELLED);
    await stack
      .runs()
      .sendMessage({ id: second, message: 'go', data: json('gone') })
      .catch(() => undefined);
    await eventually(async () => (await shown(id))?.recent[0]?.state === 'started');
    await stack.runs().cancelRun({ id: second });
  });

  test('whose agent has lost its authority starts nothing, pauses itself, and says why', async () => {
    verifies('schedule.refused_start');
    const [schedules, id] = [stack.schedules(), 'forbidden'];
    const grant = [{ actions: ['forbidden.act'] }];
    await schedules.createSchedule({ id, definition: { ...hourly, grant } });
    await expect(schedules.triggerSchedule({ id })).rejects.toMatchObject({ code: 'identity.exceeds_parent' });
    const run = (await shown(id))?.recent[0]?.run ?? '';
    expect(await shown(id)).toMatchObject({
      pausedReason: 'more than the parent holds (identity.exceeds_parent)',
      refused: 1n,
      active: 0,
      recent: [{ run, state: 'refused', error: { code: 'identity.exceeds_parent' } }],
    });
    expect(await stack.events(run)).toEqual([]);
  });

  test('is created by who may start its runs, never with the token of a run', async () => {
    verifies('schedule.authority');
    const create = (token: object) => stack.schedules(token).createSchedule({ id: 'x', definition: hourly });
    const writes = { actions: ['schedule.write'] };
    const refused = (code: string) => expect.objectContaining({ code });
    const other = { type: 'writ' as const, actions: ['run.start'], resources: ['other'] };
    await expect(create({ grant: ['schedule.write', other] })).rejects.toEqual(refused('auth.missing_capability'));
    await expect(create({ grant: [{ type: 'writ', ...writes, resources: ['y'] }, 'run.start'] })).rejects.toEqual(
      refused('auth.missing_capability'),
    );
    await expect(create({ principal: agent, run: 'run_1' })).rejects.toEqual(
      refused('schedule.no_authority_of_its_own'),
    );
    const past = { ...hourly, endTime: timestampFromMs(1) };
    await expect(stack.schedules().createSchedule({ definition: past })).rejects.toEqual(refused('schedule.never_due'));
    await expect(stack.schedules().createSchedule({ id: 'a:b', definition: hourly })).rejects.toEqual(
      refused('schedule.bad_definition'),
    );
  });

  test('is served over REST', async () => {
    const url = stack.schedulers[0]?.httpUrl ?? '';
    const headers = { authorization: fakeToken(), 'content-type': 'application/json' };
    const body = JSON.stringify({
      id: 'rest',
      definition: { cron: '0 9 * * *', workflow: 'count', jsonInput: 1, catchUp: '60s' },
    });
    const made = await fetch(`${url}/v1/schedules`, { method: 'POST', headers, body });
    expect([made.status, await made.json()]).toEqual([200, expect.objectContaining({ id: 'rest' })]);
    expect(await (await fetch(`${url}/v1/schedules/rest`, { headers })).json()).toMatchObject({
      schedule: { definition: { cron: '0 9 * * *', jsonInput: 1, catchUp: '60s' } },
    });
    expect(
      (await fetch(`${url}/v1/schedules/rest:pause`, { method: 'POST', headers, body: '{"reason":"x"}' })).status,
    ).toBe(200);
    expect(
      (await fetch(`${url}/v1/schedules/rest`, { method: 'DELETE', headers: { authorization: fakeToken() } })).status,
    ).toBe(200);
  });
});
