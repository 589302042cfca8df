import { HttpException } from '@nestjs/common';
import type { apiErrors } from '../errors/catalogue.js';
import { entryOf, type CatalogueEntry } from '../errors/catalogue.js';
import type { Failure } from '../errors/failure.js';

const codes: Readonly<Record<number, keyof typeof apiErrors>> = {
  404: 'request.not_found',
  405: 'request.method_not_allowed',
  406: 'request.not_acceptable',
  413: 'request.too_large',
  414: 'request.too_large',
  415: 'request.unsupported_media_type',
  503: 'service.unavailable',
};

/** A refusal that Fastify or Nest made by itself, in our terms; undefined for anything else. */
export function frameworkFailure(error: unknown): Failure | undefined {
  const status = statusOf(error);
  if (status === undefined || status >= 500) return undefined;
  const code = codes[status] ?? 'request.malformed';
  const entry = entryOf(code) as CatalogueEntry;
  return { ...entry, status, code, detail: (error as Error).message, details: {}, violations: [] };
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (!(error instanceof Error) || !('code' in error) || !String(error.code).startsWith('FST_')) return undefined;
  return 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : undefined;
}
