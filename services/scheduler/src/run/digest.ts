import { createHash } from 'node:crypto';
import { canonicalJson } from '@writ/enforcement';
import type { Kept } from './kept.js';
import type { Content } from './run.events.js';

/** What makes two starts the same: workflow and input, whatever the order of the input's members, and the record that it begins with. */
export function startDigest(workflow: string, { value, blob }: Content, kept: readonly Kept[] = []): string {
  const input = blob ? blob.hash : value === undefined ? '' : canonicalJson(value);
  return createHash('sha256')
    .update(`${workflow}\n${input}${kept.map(({ life, events }) => `\n${life} ${events.length}`).join('')}`)
    .digest('base64url')
    .slice(0, 22);
}
