/** What the agent does all the time while services die: a bit of everything that Writ has, with a result that can be foretold. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { WritError, workflow, type Capability } from '@writ/sdk';
import { recall, remember } from '@writ/sdk/tools';

/** What became of an effect: `unknown` is what Writ says where nobody can tell. */
export type Effect = 'done' | 'unknown';

export interface ErrandResult {
  readonly digest: string;
  /** How many sandboxes it took; more than one where a runner died. */
  readonly sandboxes: number;
  readonly appended: Effect;
  readonly filed: Effect;
  readonly remembered: number;
}

export const digestOf = (key: string): string => createHash('sha256').update(key).digest('hex');

/** Where a sandbox dies with its runner, what ran in it is over; what to do then, the workflow's author says. */
const sandboxIsLost = (error: unknown): boolean => WritError.is(error) && error.code.startsWith('sandbox.');

/** A sub-agent: the digest of the key, worked out in a sandbox of its own. */
export const helper = workflow({
  name: 'helper',
  input: z.object({ key: z.string() }),
  async run(ctx, { key }): Promise<{ digest: string; sandboxes: number }> {
    for (let sandboxes = 1; ; sandboxes++)
      try {
        await using box = await ctx.sandbox({ name: 'bench', keep: '10m' });
        const work = async ({ signal }: { signal: AbortSignal }): Promise<string> => {
          const argv = ['sh', '-c', `sleep 0.5; printf %s '${key}' | sha256sum`];
          const { exitCode, reason, stdout, stderr } = await box.exec(argv, { signal, timeout: '1m' }).result();
          if (reason === 'stopped' || reason === 'signal')
            throw new WritError(`it was ${reason}`, { code: 'sandbox.lost' });
          if (exitCode !== 0) throw new Error(`the command ended with ${exitCode}: ${stderr}`);
          return stdout.slice(0, 64);
        };
        return { digest: await ctx.step('work', work, { retry: { attempts: 3, delay: '200ms' } }), sandboxes };
      } catch (error) {
        if (sandboxes === 20 || !sandboxIsLost(error)) throw error;
      }
  },
});

const helperGrant: Capability[] = [
  { type: 'writ', actions: ['sandbox.create', 'sandbox.exec', 'sandbox.read', 'sandbox.stop'] },
];

async function effectOf(call: Promise<unknown>): Promise<Effect> {
  try {
    await call;
    return 'done';
  } catch (error) {
    if (WritError.is(error, 'tool.outcome_unknown')) return 'unknown';
    throw error;
  }
}

export const errand = workflow({
  name: 'errand',
  input: z.object({ key: z.string(), scope: z.string() }),
  async run(ctx, { key, scope }): Promise<ErrandResult> {
    const own = await ctx.step('digest', async () => {
      await delay(50);
      return digestOf(key);
    });
    const child = await ctx.start(helper, { key }, { id: `${ctx.runId}.helper`, grant: helperGrant });
    const appended = await effectOf(ctx.call('journal/append', { key }));
    await ctx.call(remember, { scope, text: `errand ${key}`, attributes: { key } });
    await ctx.sleep('200ms');
    const { digest, sandboxes } = await child.result();
    if (digest !== own) throw new Error(`the helper says ${digest}, the step said ${own}`);
    const filed = await effectOf(ctx.call('files/write_file', { path: `/reports/${key}`, content: digest }));
    const known = await ctx.call(recall, { scope, query: `errand ${key}`, limit: 1000 });
    const remembered = known.filter((memory) => memory.attributes['key'] === key).length;
    return { digest, sandboxes, appended, filed, remembered };
  },
});
