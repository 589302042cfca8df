import type { ToolDefinition } from '../server/server.events.js';

/** What a tool does to the world, as policies see it (`resource.effect`). */
export type Effect = 'read' | 'write' | 'irreversible';

/** As the approved definition says: a person has looked at its annotations. Whatever says nothing writes. */
export function effectOf({ annotations }: Pick<ToolDefinition, 'annotations'>): Effect {
  if (annotations?.['readOnlyHint'] === true) return 'read';
  return annotations?.['destructiveHint'] === true ? 'irreversible' : 'write';
}

/** Whether doing it twice does harm. */
export function repeatOf(definition: Pick<ToolDefinition, 'annotations'>): Effect | 'idempotent' {
  const effect = effectOf(definition);
  return effect !== 'read' && definition.annotations?.['idempotentHint'] === true ? 'idempotent' : effect;
}

/** The annotations that say so. */
export function annotationsOf(effect: string): Record<string, boolean> {
  if (effect === 'read') return { readOnlyHint: true };
  return { readOnlyHint: false, destructiveHint: effect === 'irreversible' };
}
