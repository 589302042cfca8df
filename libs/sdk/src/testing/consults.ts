import type { WorkflowDefinition } from '../define/workflow.js';
import { WritError } from '../errors/errors.js';
import { consult, consultCopy, type Verdict } from '../run/consult.js';
import { errorOfFailure } from '../run/failure.js';
import type { Question } from '../run/handlers.js';
import type { Bytes, Command, Entry, Key, Outcome } from '../run/record.js';
import { keyText } from '../run/record.js';
import { rest } from '../run/rest.js';
import { opened, type TestRun } from './test-run.js';

/** What asking needs of the in-process scheduler. */
interface Parts {
  readonly workflows: ReadonlyMap<string, WorkflowDefinition>;
  run(id: string): TestRun;
  record(run: TestRun, type: string, data: object): void;
  deliver(run: TestRun, entry: Entry): void;
  settle(run: TestRun, key: Key, outcome: Outcome, recorded: Outcome): void;
  now(): number;
}

const gone: Verdict = { type: 'gone' };
const json = (bytes: Bytes) =>
  bytes === undefined ? {} : { value: JSON.parse(new TextDecoder().decode(bytes)) as unknown };

/** Queries and updates of the in-process scheduler. */
export class TestConsults {
  constructor(private readonly parts: Parts) {}

  query(id: string, name: string, data: Bytes): Promise<Bytes> {
    return this.#ask(this.parts.run(id), { name, update: false, data });
  }

  async update(id: string, update: string, data: Bytes, key: string): Promise<Bytes> {
    const run = this.parts.run(id);
    const name = `${update}/${key}`;
    if (!run.updates.has(name) && !run.end) {
      await this.#ask(run, { name: update, update: true, data }, () => this.#accept(run, name, update, data));
    }
    for (;;) {
      const outcome = run.updates.get(name);
      if (outcome?.type === 'failed') throw errorOfFailure(outcome.error);
      if (outcome) return outcome.type === 'completed' ? outcome.value : undefined;
      if (run.end) throw new WritError(`run ${id} has ended; nobody will handle '${update}'`, { code: 'run.ended' });
      await run.change();
    }
  }

  /** The handler of an update has ended. */
  answered(run: TestRun, command: Command): void {
    const { name, kind, occurrence, what } = command;
    if (what.type !== 'completed' && what.type !== 'failed') return;
    const outcome: Outcome =
      what.type === 'completed' ? { type: 'completed', value: what.value } : { type: 'failed', error: what.error };
    run.updates.set(name, outcome);
    const error = outcome.type === 'failed' ? { code: outcome.error.code, message: outcome.error.message } : undefined;
    const answer = outcome.type === 'completed' ? json(outcome.value) : { error };
    this.parts.record(run, 'run.update_answered.v1', { kind, name, occurrence, ...answer });
    this.parts.settle(run, command, outcome.type === 'failed' ? outcome : { type: 'recorded' }, outcome);
  }

  #accept(run: TestRun, name: string, update: string, value: Bytes): void {
    const key = { kind: 'update', name, occurrence: 1 } as const;
    run.updates.set(name, undefined);
    run.open.set(keyText(key), { ...opened(key, this.parts.now()), on: update });
    this.parts.record(run, 'run.update_accepted.v1', { ...key, update, ...json(value) });
    this.parts.deliver(run, { ...key, timeMs: this.parts.now(), outcome: { type: 'accepted', update, value } });
  }

  /** Time does not pass while a run is asked, unless it has to do something before it can answer. */
  async #ask(run: TestRun, question: Question, accepted?: () => void): Promise<Bytes> {
    for (;;) {
      run.asked = !question.update || ![...run.open.values()].some(({ kind }) => kind === 'update');
      const { executor } = run;
      const seen = run.journal.length;
      const said =
        executor && !run.end && !run.paused
          ? await Promise.race([consult(executor, question), run.change().then(() => gone)])
          : await this.#askCopy(run, question);
      // Something came to the run meanwhile: it is asked again in the state in which it would begin.
      const verdict: Verdict = accepted && said.type === 'completed' && run.journal.length !== seen ? gone : said;
      if (verdict.type === 'completed') accepted?.();
      run.asked = false;
      if (verdict.type === 'failed') throw errorOfFailure(verdict.error);
      if (verdict.type === 'completed') return verdict.value;
      await rest();
    }
  }

  #askCopy(run: TestRun, question: Question): Promise<Verdict> {
    const definition = this.parts.workflows.get(run.workflow) as WorkflowDefinition;
    const activation = { ...run, attempt: '', runId: run.id, journal: [...run.journal], pending: run.pending };
    return consultCopy(definition, { ...activation, ended: run.end !== undefined }, question);
  }
}
