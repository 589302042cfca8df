import { definitionOf, type Workflow, type WorkflowDefinition } from '../define/workflow.js';
import { WritError } from '../errors/errors.js';
import type { ServeOptions, Worker, Writ } from './writ.js';

/** Puts itself in the place of the platform while the file of a worker is loaded: hears what the file would serve. */
export type Offering = (workflows: readonly Workflow[]) => void;

const key = Symbol.for('writ.offering');

/** Whether this process only looks at code, as `writ run check` does. */
export const offering = () => (globalThis as { [key]?: Offering })[key];

/** A platform that takes note of what is served and does nothing else: nobody is called. */
export function inert(offer: Offering): Writ {
  const worker: Worker = { closed: new Promise(() => {}), [Symbol.asyncDispose]: () => Promise.resolve() };
  const serve = ({ workflows = [] }: ServeOptions): Promise<Worker> => {
    offer(workflows);
    return Promise.resolve(worker);
  };
  const own: Partial<Writ> = { serve, [Symbol.asyncDispose]: () => Promise.resolve() };
  return new Proxy(own, {
    get: (target, name) => {
      if (name in target || typeof name === 'symbol' || name === 'then') return Reflect.get(target, name) as unknown;
      return () => {
        throw new WritError(`writ.${name}: the code is only looked at, nothing is done`, { code: 'unsupported' });
      };
    },
  }) as Writ;
}

/**
 * The workflows of a program, by name: those that it exports and those that it would serve. Its code is loaded, and nobody is called: every other method
 * of a connection throws. Resolves when the program has come to rest.
 * @throws what loading it threw, unless it had served by then: what it wanted to do next is of no interest
 */
export async function workflowsOf(load: () => Promise<object>): Promise<Map<string, Workflow>> {
  const found = new Map<string, Workflow>();
  const take = (values: readonly unknown[]) => {
    for (const value of values) if (isWorkflow(value)) found.set(value.name, value);
  };
  let heard = () => {};
  const served = new Promise<void>((resolve) => (heard = resolve));
  (globalThis as { [key]?: Offering })[key] = (workflows) => {
    take(workflows);
    heard();
  };
  const loaded = load().then((module) => take(Object.values(module)));
  loaded.catch(() => {});
  await Promise.race([loaded, served]);
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve)); // it may serve more
  return found;
}

function isWorkflow(value: unknown): value is Workflow {
  return (
    typeof value === 'object' &&
    value !== null &&
    definitionOf<WorkflowDefinition | undefined>(value)?.run !== undefined &&
    (value as Workflow).kind === 'workflow'
  );
}
