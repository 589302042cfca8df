import { createHash } from 'node:crypto';
import { canonicalJson } from '@writ/enforcement';
import type { Content } from './run.events.js';

/** What makes two starts the same: workflow and input, whatever the order of the input's members. */
export function startDigest(workflow: string, { value, blob }: Content): string {
  const input = blob ? blob.hash : value === undefined ? '' : canonicalJson(value);
  return createHash('sha256').update(`${workflow}\n${input}`).digest('base64url').slice(0, 22);
}
