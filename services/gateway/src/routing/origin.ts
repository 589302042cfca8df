import type { IncomingMessage } from 'node:http';
import { refuse } from '@writ/ledger/domain';

/** Protocols that look at the origin themselves: MCP has a list of its own, OAuth answers pages of its clients. */
const ownRules = /^\/(?:mcp|oauth|\.well-known)(?:$|[/?])/;

/**
 * Refuses what a page of another origin asks. Nothing here is meant for one: no answer may be read by it, and what it
 * sends is not what anybody wanted.
 *
 * @param publicUrl base of the URLs that the outside uses
 * @throws DomainError `request.wrong_origin`
 */
export function mustBeOwnOrigin({ headers, url = '/' }: IncomingMessage, publicUrl: string | undefined): void {
  const { origin, host } = headers;
  if (origin === undefined || ownRules.test(url)) return;
  const asked = URL.canParse(origin) ? new URL(origin) : undefined;
  if (asked !== undefined && (asked.host === host || asked.origin === originOf(publicUrl))) return;
  throw refuse('request.wrong_origin', `pages of ${origin.slice(0, 100)} may not call here`);
}

const originOf = (url: string | undefined): string | undefined => (url === undefined ? undefined : new URL(url).origin);
