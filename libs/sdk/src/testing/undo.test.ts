import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import { FatalError } from '../errors/errors.js';
import { workflow } from '../define/workflow.js';
import { testWrit, type TestWritOptions } from './test-writ.js';

// Each behaviour must hold for a run that stays on its worker, and for one that is rebuilt from its journal at every entry.
describe.each<[string, Pick<TestWritOptions, 'alwaysReplay'>]>([
  ['a run that stays where it is', {}],
  ['a run that is rebuilt at every entry', { alwaysReplay: true }],
])('what was done is taken back, in %s', (_, mode) => {
  /** Books three things, then waits, or fails. */
  const saga = (end: 'waits' | 'fails', undone: string[]) =>
    workflow({
      name: 'saga',
      messages: { never: z.string() },
      async run(ctx) {
        const undo =
          (name: string) =>
          async (_: unknown, { attempt }: { attempt: number }) => {
            undone.push(`${name}/${attempt}`);
            if (name === 'hotel' && attempt < 3) throw new Error('not now');
            if (name === 'car') throw new FatalError('never', { code: 'car.gone' });
          };
        for (const name of ['flight', 'hotel', 'car'])
          await ctx.step(name, () => name, {
            retry: { attempts: 1 },
            undo: name === 'hotel' ? { run: undo(name), retry: { delay: '1m', factor: 1 } } : undo(name),
          });
        if (end === 'fails') throw new FatalError('declined', { code: 'card.declined' });
        await ctx.wait('never');
      },
    });

  test('last first, by a policy of its own, also after a cancel; the receipt says what could not be', async () => {
    verifies('sdk.undo');
    const undone: string[] = [];
    const code = saga('waits', undone);
    await using t = testWrit({ workflows: [code], ...mode });
    const run = await t.start(code, undefined, { id: 's' });
    await t.advance(0);
    const receipt = run.cancel({ reason: 'enough' });
    await t.advance('1h');
    expect(await receipt).toEqual({
      stopped: [],
      undone: ['step hotel/1', 'step flight/1'],
      outcomeUnknown: ['undo car/1'],
    });
    expect(undone).toEqual(['car/1', 'hotel/1', 'hotel/2', 'hotel/3', 'flight/1']);
    expect(await t.replay(t.history('s'), code)).toEqual({ same: true });
  });

  test('by a run that fails, and a cancel that comes while it does does not stop it', async () => {
    const undone: string[] = [];
    const code = saga('fails', undone);
    await using t = testWrit({ workflows: [code], ...mode });
    const run = await t.start(code, undefined, { id: 's' });
    await t.advance('30s');
    const receipt = run.cancel({ reason: 'enough' });
    await t.advance('1h');
    expect(await receipt).toMatchObject({ undone: ['step hotel/1', 'step flight/1'], outcomeUnknown: ['undo car/1'] });
    expect(undone).toEqual(['car/1', 'hotel/1', 'hotel/2', 'hotel/3', 'flight/1']);
    await expect(run.result()).rejects.toMatchObject({ code: 'card.declined' });
    expect(await t.replay(t.history('s'), code)).toEqual({ same: true });
  });
});
