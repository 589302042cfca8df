/** Many runs at once: they go in few calls, their ends come over one stream, and each start has an outcome of its own. */
import { connect, workflow, WritError, type Writ } from '@writ/sdk';
import * as z from 'zod';

export const grade = workflow({
  name: 'grade',
  input: z.object({ essay: z.string() }),
  async run(ctx, { essay }) {
    return ctx.step('count words', () => essay.split(/\s+/).length);
  },
});

/** Ids of one's own make it harmless to do all of it again: what was started is found, and what was refused is told by name. */
export async function gradeAll(writ: Pick<Writ, 'start'>, essays: ReadonlyMap<string, string>) {
  const words = new Map<string, number>();
  const refused = new Map<string, string>();
  await Promise.all(
    Array.from(essays, async ([name, essay]) => {
      try {
        const run = await writ.start(grade, { essay }, { id: `grade-${name}` });
        words.set(name, await run.result());
      } catch (error) {
        refused.set(name, WritError.is(error) ? error.code : String(error));
      }
    }),
  );
  return { words, refused };
}

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [grade] });
  const essays = new Map(Array.from({ length: 1_000 }, (_, n) => [`essay-${n}`, 'word '.repeat(n + 1).trim()]));
  const { words, refused } = await gradeAll(writ, essays);
  console.log(`${words.size} graded, ${refused.size} refused, the longest has ${Math.max(...words.values())} words`);
}
