import * as z from 'zod';
import type { Tool, ToolDefinition } from './define/tool.js';
import { define } from './define/workflow.js';
import { WritError } from './errors/errors.js';

/** One thing that was remembered. */
export interface Memory {
  readonly id: string;
  /** Decides who may read it. */
  readonly scope: string;
  readonly text: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Who remembered it, and in which run. */
  readonly agent: string;
  readonly run: string;
  readonly createdAt: Date;
  /** Higher is better; only of one search, not to be compared between two. */
  readonly score: number;
}

const scope = z.string().min(1).max(200);

function platformTool<I, O>(
  name: string,
  effect: ToolDefinition['effect'],
  description: string,
  input: z.ZodType,
): Tool<I, O> {
  const definition: ToolDefinition = {
    name,
    description,
    input,
    effect,
    remote: name,
    run: () =>
      Promise.reject(new WritError(`${name} happens on the server, through ctx.call`, { code: 'unsupported' })),
  };
  return define({ kind: 'tool', name }, definition);
}

/** Searches memory by full text and trigrams, best first. Needs `memory.read` on the scope. */
export const recall = platformTool<{ scope: string; query: string; limit?: number }, Memory[]>(
  'recall',
  'read',
  'Search what was remembered in a scope',
  z.object({ scope, query: z.string().min(1).max(4096), limit: z.number().int().min(1).max(1000).default(20) }),
);

/** Remembers one observation, verbatim, with its source. Needs `memory.write` on the scope. */
export const remember = platformTool<
  { scope: string; text: string; attributes?: Record<string, unknown> },
  { id: string }
>(
  'remember',
  'write',
  'Remember one observation in a scope',
  z.object({ scope, text: z.string().min(1).max(65_536), attributes: z.record(z.string(), z.json()).optional() }),
);

/** Forgets one thing: its text is gone from every view, the fact that it was forgotten stays. Needs `memory.forget`. */
export const forget = platformTool<{ id: string; reason?: string }, void>(
  'forget',
  'irreversible',
  'Forget one thing that was remembered',
  z.object({ id: z.string().min(1).max(64), reason: z.string().max(500).optional() }),
);
