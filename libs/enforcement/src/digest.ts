import { hash } from 'node:crypto';
import { canonicalJson } from './canonical-json.js';

/**
 * `sha256:<64 hex digits>` over the RFC 8785 form of a value: what an approval, an intent and a retry are bound to.
 *
 * @throws NotCanonical when the value has no canonical form.
 */
export function digestOf(value: unknown): string {
  return `sha256:${hash('sha256', canonicalJson(value))}`;
}
