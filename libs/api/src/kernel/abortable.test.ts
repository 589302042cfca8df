import { describe, expect, test } from '@jest/globals';
import { abortable } from './abortable.js';

const gone = new Error('gone');

describe('abortable', () => {
  test('gives the same values, and the same end', async () => {
    const source = (async function* () {
      yield 1;
      yield 2;
    })();
    const values: number[] = [];
    for await (const value of abortable(source, new AbortController().signal)) values.push(value);
    expect(values).toEqual([1, 2]);
  });

  test('a source that hangs is left at once, with the reason of the abort', async () => {
    const controller = new AbortController();
    const hanging = (async function* () {
      yield 1;
      await new Promise(() => undefined);
    })();
    const values = abortable(hanging, controller.signal);
    expect(await values.next()).toEqual({ done: false, value: 1 });
    const waiting = values.next();
    controller.abort(gone);
    await expect(waiting).rejects.toBe(gone);
    await expect(values.next()).rejects.toBe(gone);
  });

  test('leaving early, or an abort between two values, tells the source to stop', async () => {
    for (const leave of ['break', 'abort']) {
      let stopped = false;
      const controller = new AbortController();
      const source = (async function* () {
        try {
          for (let value = 0; ; value++) yield value;
        } finally {
          stopped = true;
        }
      })();
      const reading = (async () => {
        for await (const value of abortable(source, controller.signal)) {
          if (value === 2 && leave === 'break') break;
          if (value === 2) controller.abort(gone);
        }
      })();
      if (leave === 'break') await reading;
      else await expect(reading).rejects.toBe(gone);
      expect(stopped).toBe(true);
    }
  });

  test('what the source throws is thrown on', async () => {
    const broken = (async function* () {
      yield 1;
      throw gone;
    })();
    const values = abortable(broken, new AbortController().signal);
    await values.next();
    await expect(values.next()).rejects.toBe(gone);
  });
});
