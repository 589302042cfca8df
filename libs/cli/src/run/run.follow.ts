import { resumed } from '../api/resumed.js';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { exit } from '../failure/exit-code.js';
import { plain } from '../output/text.js';

/** `StepDelta` in the JSON mapping: one of the last five. */
type Delta = NonNullable<Answer<typeof routes.streamRun>['deltas']>[number] & {
  readonly data?: unknown;
  readonly started?: boolean;
  readonly missed?: string;
  readonly completed?: boolean;
  readonly failed?: boolean;
};

const ends: Readonly<Record<string, number>> = {
  RUN_STATE_SUCCEEDED: exit.ok,
  RUN_STATE_FAILED: exit.endedBadly,
  RUN_STATE_CANCELLED: exit.endedBadly,
};

/** Prints what the steps of a run write, from the first that is still held or behind a cursor, until the run has ended. */
export async function follow(call: Call, id: string, { after = '' }: { after?: string | undefined }): Promise<number> {
  const api = await call.api();
  const steps = new Steps((sentence) => call.out.say(sentence));
  for await (const { value: part, cursor } of resumed(api, routes.streamRun, { id, after }, call.signal)) {
    if (call.out.machine) call.out.line({ ...part, cursor });
    else {
      if (Number(part.missed ?? 0) > 0) call.out.say(`${part.missed} before these are not held any more`);
      for (const delta of part.deltas ?? []) call.out.data(steps.shown(delta));
    }
    if (part.ended !== undefined && part.ended !== 'RUN_STATE_UNSPECIFIED') {
      if (!call.out.machine) call.out.data(steps.end());
      return ends[part.ended] ?? exit.failed;
    }
  }
  return exit.failed;
}

/** Tokens stand one behind the other; everything else begins a line. */
class Steps {
  #step = '';
  #inLine = false;

  constructor(private readonly say: (sentence: string) => void) {}

  shown(delta: Delta): string {
    const { step = '', attempt = 1 } = delta;
    if (delta.data !== undefined) return this.written(step, delta.data);
    const before = this.end();
    if (delta.started && attempt > 1) this.say(`${step}: attempt ${attempt} begins; what was before is superseded`);
    if (delta.failed) this.say(`${step}: attempt ${attempt} has failed; what it wrote is superseded`);
    if (delta.missed !== undefined) this.say(`${step}: ${delta.missed} are missing`);
    return before;
  }

  end(): string {
    const before = this.#inLine ? '\n' : '';
    this.#inLine = false;
    return before;
  }

  private written(step: string, data: unknown): string {
    const before = this.#step === '' || this.#step === step ? '' : this.end();
    this.#step = step;
    const text = typeof data === 'string' ? plain(data) : `${this.end()}${JSON.stringify(data)}\n`;
    this.#inLine = !text.endsWith('\n');
    return `${before}${text}`;
  }
}
