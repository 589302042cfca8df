import { checkAttributes, type AttributeChanges } from '../define/attributes.js';
import { assertNotInStep } from './inside.js';
import type { RunScope } from './scope.js';

/** `ctx.set` */
export async function set(scope: RunScope, attributes: AttributeChanges): Promise<void> {
  assertNotInStep('ctx.set');
  checkAttributes(attributes, true);
  await scope.issue({ kind: 'set', name: 'attributes', wish: { type: 'set', attributes: { ...attributes } } }).outcome;
}
