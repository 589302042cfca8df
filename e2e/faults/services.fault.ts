import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Fault } from './fault.js';
import { soakServices } from './services/soak.js';

const MAX_TOLD = 20;

export const fault: Fault = {
  name: 'services',
  about:
    'each service killed (SIGKILL) every 5 s in random order, and PostgreSQL twice, under a working agent; 3 minutes',
  async run(report, { seed, seconds = 180 }) {
    const options = {
      seed,
      seconds,
      killEveryMs: 5_000,
      postgresKills: 2,
      inFlight: 4,
      waitForConsumers: true,
      say: report.tells,
    };
    const { kills, facts, broken, said } = await soakServices(options);
    for (const [name, times] of kills) report.tells(`${name.padEnd(15)} killed ${times} times`);
    for (const [what, value] of Object.entries(facts)) report.tells(`${what.padEnd(34)} ${value}`);
    if (broken.length > 0) {
      const log = path.join(tmpdir(), `writ-faults-services-${seed}.log`);
      await writeFile(log, said.join('\n'), { mode: 0o600 });
      const rest = broken.length > MAX_TOLD ? [`and ${broken.length - MAX_TOLD} more`] : [];
      throw new Error([...broken.slice(0, MAX_TOLD), ...rest, `what the stack said is in ${log}`].join('\n'));
    }
    report.holds('every run ended right, no effect is doubled, the record verifies, and nothing is left over');
  },
};
