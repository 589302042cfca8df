import type { Fault } from './fault.js';
import { soakPrograms } from './programs/soak.js';

const CASES = 2_000;

export const fault: Fault = {
  name: 'programs',
  about: `${CASES} random workflows while workers, the scheduler, nats-server and PostgreSQL are killed and paused, held against a model`,
  async run(report, { seed }) {
    const options = {
      cases: CASES,
      seed,
      inFlight: 48,
      faultEveryMs: [1_500, 4_000] as const,
      replayEvery: 10,
      say: report.tells,
    };
    const { ended, events, replayed, faults, broken } = await soakPrograms(options);
    for (const [name, times] of faults) report.tells(`${name} ${times} times`);
    if (broken.length > 0) throw new Error([`${broken.length} findings`, ...broken.slice(0, 20)].join('\n'));
    report.holds(
      `${CASES} programs ended as they must, ${ended.succeeded} succeeded, ${ended.failed} failed, ${ended.cancelled} cancelled; ` +
        `${events} events, ${replayed} runs replayed the same way`,
    );
  },
};
