import { expect, test } from '@jest/globals';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { eventually, projectRoot, startProcess, startSuiteNats, verifies } from '@writ/testkit';
import { claimedType } from './owner/take-over.js';
import { Ledger } from './index.js';
import { add } from './testing/counter.js';
import { judgeLog, SteadyLoad } from './testing/load.js';

const hourMs = 3_600_000;
const shiftClock = pathToFileURL(path.join(projectRoot, 'libs/testkit/src/shift-clock.mjs')).href;

test('an owner whose clock is set an hour forward, and back, and further back, goes on as if nothing was', async () => {
  verifies('ledger.clock_jump');
  await using nats = await startSuiteNats();
  await using client = await Ledger.connect({ servers: nats.url });
  await using owner = startProcess('libs/ledger/src/testing/replica.ts', {
    args: [nats.url, 'svc', '1'],
    env: {
      NODE_OPTIONS: `--import=${shiftClock}`,
      WRIT_TEST_CLOCK_SHIFTS: [hourMs, 0, -hourMs, 0].join(),
    },
  });
  await owner.line(/^ready/);
  const commands = client.commands('svc', { partitions: 1 });
  const first = await commands.send(add(1, { id: 'cmd_first' }));
  using load = new SteadyLoad(commands, { perSecond: 200, make: () => add(1) });
  const flows = async (): Promise<unknown> => {
    const before = load.acknowledged.size;
    return eventually(() => load.acknowledged.size > before + 300, { what: 'writes flow' });
  };
  await flows();
  for (let jump = 0; jump < 4; jump++) {
    const told = owner.lines.length;
    owner.send('SIGUSR2');
    await eventually(() => owner.lines.slice(told).some((line) => line.startsWith('the clock is set')));
    await flows();
    // What was remembered for a quarter of an hour is not forgotten in a second.
    expect(await commands.send(add(1, { id: 'cmd_first' }))).toMatchObject({
      duplicate: true,
      position: first.position,
    });
  }
  await load.stop();
  expect(load.refused).toEqual([]);
  const { lost, twice } = await judgeLog(client, 'svc', 1, load.acknowledged);
  expect({ lost, twice }).toEqual({ lost: [], twice: [] });

  const times: number[] = [];
  const claims: unknown[] = [];
  for await (const { events } of client.read('svc', 0))
    for (const { time, type, data } of events) {
      times.push(Date.parse(time));
      if (type === claimedType) claims.push(data);
    }
  expect(claims).toHaveLength(1); // the lease was never lost
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  const ran = Date.now() - (times[0] as number);
  expect((times.at(-1) as number) - (times[0] as number)).toBeLessThan(1.2 * ran + 1_000);
});
