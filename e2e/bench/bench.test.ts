import { describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@writ/testkit';
import { quantile, summarise } from './bench.js';
import { ClosedLoop } from './workflows/closed-loop.js';
import { barChart } from './workflows/picture.js';

const run = promisify(execFile);
const main = path.join(import.meta.dirname, 'main.mjs');

describe('the figures', () => {
  const measured = (value: number) => [{ name: 'aloneP50Ms', value, unit: 'ms' }];

  test('are the median of the runs with their range, in numbers and not in text', () => {
    expect(summarise([measured(100), measured(9), measured(20)])).toEqual([
      { name: 'aloneP50Ms', value: 20, min: 9, max: 100, unit: 'ms' },
    ]);
  });

  test('of runs that measured different things are refused', () => {
    expect(() => summarise([measured(1), []])).toThrow(/not every run measured the same/);
  });

  test('a quantile lies between its neighbours', () => {
    expect([quantile([1, 2, 3, 4], 0.5), quantile([7], 0.99), quantile([], 0.5)]).toEqual([2.5, 7, NaN]);
  });
});

describe('a closed loop', () => {
  test('has as many under way as it was told, and counts from one mark to the next', async () => {
    let [underWay, most] = [0, 0];
    const loop = new ClosedLoop(async () => {
      most = Math.max(most, ++underWay);
      await new Promise(setImmediate);
      underWay--;
    }, 3);
    await eventually(() => loop.mark().completed > 0);
    await loop.end();
    loop.mark();
    expect(loop.mark().completed).toBe(0);
    expect({ underWay, most }).toEqual({ underWay: 0, most: 3 });
  });
});

describe('the picture', () => {
  test('has a bar for each value, on the scale of its group, and safe labels', () => {
    const bars = [
      { label: 'a & <b>', value: 100, color: '#000000' },
      { label: 'half', value: 50, color: '#111111' },
    ];
    const svg = barChart('title', [{ title: 'group', bars }]);
    const widths = [...svg.matchAll(/width="(\d+)" height="20"/g)].map(([, width]) => Number(width));
    expect(widths[0]).toBe(2 * (widths[1] as number));
    expect(svg).toContain('a &amp; &lt;b>');
  });
});

describe('the command', () => {
  test('with --json it writes one object to stdout: the bench, its conditions and its figures', async () => {
    const { stdout } = await run(process.execPath, [main, 'servers', '--json', '--runs', '1']);
    const { bench, conditions, figures } = JSON.parse(stdout) as Record<string, unknown>;
    expect(bench).toBe('servers');
    expect(conditions).toMatchObject({
      durability: expect.stringMatching(/^(fsync|flush)$/),
      cores: expect.any(Number),
      fsyncP50Ms: expect.any(Number),
      load1m: expect.any(Number),
    });
    const shape = {
      name: expect.any(String),
      value: expect.any(Number),
      min: expect.any(Number),
      max: expect.any(Number),
    };
    expect(figures).toContainEqual({ ...shape, name: 'natsStartMs', unit: 'ms' });
  });

  test('a part that there is not fails before anything is measured, and says which there are', async () => {
    await expect(run(process.execPath, [main, 'servers', '--only', 'x'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no part x; its parts: none/),
    });
  });
});
