/** What every step of a random program writes, and what must be in the stream of its run: in order, once, of the attempt that counts. */
import type { Rest } from '../../demo/rest.js';

const CHUNKS = 3;

/** What a step writes. */
export const written = (name: string): string[] => Array.from({ length: CHUNKS }, (_, at) => `${name}/${at}`);

interface Message {
  readonly step: string;
  readonly attempt: number;
  readonly started?: true;
  readonly data?: string;
  readonly missed?: number;
  readonly completed?: true;
  readonly failed?: true;
}

interface Completed {
  readonly type: string;
  readonly data: { readonly name?: string; readonly attempt?: number };
}

/**
 * Where a broker is killed chunks may be lost, but then the stream says how many: nothing is there twice, out of order or of another attempt, and nothing is
 * missing that is not said to be.
 */
export async function checkStreams(
  person: Rest,
  record: ReadonlyMap<string, readonly Completed[]>,
): Promise<{ broken: string[]; missed: number }> {
  const broken: string[] = [];
  let missed = 0;
  for (const [run, events] of record) {
    const completed = events.filter(
      ({ type, data }) => type === 'run.step_completed.v1' && data.name?.startsWith('step '),
    );
    if (completed.length === 0) continue;
    const messages = await person.get<Message[]>(`/v1/stream/runs/${run}`);
    for (const { data } of completed) {
      const of = messages.filter(({ step }) => step === `${data.name}/1`);
      const last = of.slice(of.findLastIndex(({ started }) => started) + 1);
      const lost = last.reduce((sum, { missed: count = 0 }) => sum + count, 0);
      const said = last.flatMap(({ data: chunk }) => (chunk === undefined ? [] : [chunk]));
      const wanted = written(data.name as string);
      missed += lost;
      const right =
        said.length + lost === CHUNKS &&
        said.every((chunk, at) => wanted.indexOf(chunk) >= at && said.indexOf(chunk) === at) &&
        last.every(({ attempt }) => attempt === data.attempt) &&
        last.at(-1)?.completed === true;
      if (!right) broken.push(`step ${data.name} of ${run} wrote ${JSON.stringify(of)}`);
    }
  }
  return { broken, missed };
}
