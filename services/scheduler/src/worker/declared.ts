import { placeKey } from '../partition/dispatcher.js';
import type { WorkflowCode } from '@writ/proto/worker/v1/worker';

/** Code as a worker offers it. */
interface Served {
  readonly tenant: string;
  readonly queue: string;
  readonly workflows: ReadonlyMap<string, WorkflowCode>;
}

interface Known {
  /** Workers that do not say which messages their code takes. */
  silent: number;
  /** How many take a message of this name. */
  readonly names: Map<string, number>;
}

/** Which messages the code of the workers here takes, by workflow. */
export class Declared {
  private readonly workflows = new Map<string, Known>();

  add(worker: Served): void {
    this.count(worker, 1);
  }

  remove(worker: Served): void {
    this.count(worker, -1);
  }

  /** The names that there are, where a message has none of them; nothing where it has, or where it is not known. */
  others(tenant: string, queue: string, workflow: string, message: string): string[] | undefined {
    const known = this.workflows.get(placeKey({ tenant, queue, workflow }));
    return !known || known.silent > 0 || known.names.has(message)
      ? undefined
      : [...known.names.keys()].filter((name) => name !== '');
  }

  private count({ tenant, queue, workflows }: Served, by: 1 | -1): void {
    for (const [workflow, { messages }] of workflows) {
      const key = placeKey({ tenant, queue, workflow });
      const known = this.workflows.get(key) ?? { silent: 0, names: new Map<string, number>() };
      this.workflows.set(key, known);
      if (!messages) known.silent += by;
      // One name that nobody can send stands for the worker itself.
      for (const name of messages ? ['', ...messages.names] : []) {
        const workers = (known.names.get(name) ?? 0) + by;
        if (workers > 0) known.names.set(name, workers);
        else known.names.delete(name);
      }
      if (known.silent === 0 && known.names.size === 0) this.workflows.delete(key);
    }
  }
}
