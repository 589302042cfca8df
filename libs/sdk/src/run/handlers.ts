import { decodeBytes, encodeBytes } from '../codec/codec.js';
import type { Answers, HandleOptions } from '../define/answers.js';
import { parse } from '../define/schema.js';
import type { WorkflowDefinition } from '../define/workflow.js';
import { WritError } from '../errors/errors.js';
import { insideQuery, outsideSteps } from './inside.js';
import { failureOf } from './failure.js';
import { endedAttempt } from './perform.js';
import type { Bytes, Done } from './record.js';

/** What is asked of a run: a query, or whether it accepts an update. */
export interface Question {
  readonly name: string;
  readonly update: boolean;
  readonly data: Bytes;
}

interface Handler {
  readonly answer: (input: unknown) => unknown;
  readonly accept: ((input: unknown) => void) | undefined;
}

/** What the code of one run answers: queries, and updates, which it handles one at a time. */
export class Handlers {
  readonly #handlers = new Map<string, Handler>();
  readonly #queries: Answers;
  readonly #updates: Answers;
  #last: Promise<unknown> = Promise.resolve();
  #open = 0;

  constructor(
    private readonly definition: Pick<WorkflowDefinition, 'name' | 'queries' | 'updates'>,
    private readonly runId: string,
  ) {
    this.#queries = definition.queries ?? {};
    this.#updates = definition.updates ?? {};
  }

  /** `ctx.handle` @throws WritError `input.invalid` */
  handle(name: string, answer: Handler['answer'], { accept }: HandleOptions<never> = {}): void {
    if (!Object.hasOwn(this.#queries, name) && !Object.hasOwn(this.#updates, name))
      throw new WritError(`the workflow '${this.definition.name}' declares no query and no update '${name}'`, {
        code: 'input.invalid',
      });
    this.#handlers.set(name, { answer, accept: accept as Handler['accept'] });
  }

  has(update: string): boolean {
    return Object.hasOwn(this.#updates, update) && this.#handlers.has(update);
  }

  /** Answers a query; or throws where the update is refused. Nothing that it does is recorded. */
  async ask({ name, update, data }: Question): Promise<Bytes> {
    const declared = update ? this.#updates : this.#queries;
    const handler = Object.hasOwn(declared, name) ? this.#handlers.get(name) : undefined;
    const what = `${update ? 'update' : 'query'} '${name}'`;
    if (!handler)
      throw new WritError(`the run does not handle the ${what}; it handles: ${this.#named(declared)}`, {
        code: 'run.no_handler',
      });
    const input: unknown = await parse(declared[name]?.input, valueOf(data), `the input of the ${what}`);
    const { answer, accept } = handler;
    const value = insideQuery(this.runId, what, () => (update ? accept?.(input) : answer(input)));
    if (value instanceof Promise) throw notAtOnce(what, value);
    if (update) return undefined;
    return bytesOf(await parse(declared[name]?.output, value, `the answer to the ${what}`));
  }

  /** Handles an update that was accepted, after those before it. */
  run(update: string, data: Bytes): Promise<Bytes> {
    this.#open++;
    const answer = this.#last.then(async () => {
      const { input, output } = this.#updates[update] ?? {};
      const parsed: unknown = await parse(input, valueOf(data), `the input of the update '${update}'`);
      const value = await outsideSteps(() => this.#handlers.get(update)?.answer(parsed));
      return bytesOf(await parse(output, value, `the answer to the update '${update}'`));
    });
    this.#last = answer.catch(() => {}).finally(() => this.#open--);
    return answer;
  }

  /** The same, as it is reported. */
  answer(update: string, data: Bytes): Promise<Done> {
    return this.run(update, data).then(
      (value) => ({ type: 'completed', attempt: 1, value }),
      (error: unknown) => endedAttempt(1, failureOf(error)),
    );
  }

  /** Nothing that was accepted is unanswered. */
  async settled(): Promise<void> {
    while (this.#open > 0) await this.#last;
  }

  #named(declared: Answers): string {
    return [...this.#handlers.keys()].filter((name) => Object.hasOwn(declared, name)).join(', ') || 'none';
  }
}

function notAtOnce(what: string, late: Promise<unknown>): WritError {
  late.catch(() => {});
  return new WritError(`the ${what} is answered at once, not by a promise`, {
    code: 'run.nested',
    hint: 'an update may wait for what it does; a query, and `accept`, may only look',
  });
}

const valueOf = (bytes: Bytes): unknown => (bytes === undefined ? undefined : decodeBytes(bytes));
const bytesOf = (value: unknown): Bytes => (value === undefined ? undefined : encodeBytes(value));
