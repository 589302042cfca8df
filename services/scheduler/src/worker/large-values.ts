import type { Command, Report, Value } from '@writ/proto/worker/v1/worker';
import type { BlobRef } from '../run/run.events.js';
import { fitsInline, maxInlineBytes } from '../values/inline.js';

/** Puts a value aside and gives the reference to it. */
export type ClaimValue = (tenant: string, json: Uint8Array) => Promise<BlobRef>;

/** Bytes of the values in a report, with something for the rest. */
export function reportSize(report: Report): number {
  let bytes = 100 + jsonBytes(report.end.case === 'completed' ? report.end.value : undefined);
  for (const command of report.commands)
    for (const value of valuesOf(command)) bytes += 200 + Math.min(jsonBytes(value), maxInlineBytes);
  return bytes;
}

/** The report with references in the place of values that a worker sent along although they do not fit into an event. */
export async function withClaims(report: Report, claim: ClaimValue, tenant: string): Promise<Report> {
  const values = report.commands.flatMap(valuesOf);
  if (report.end.case === 'completed') values.push(report.end.value);
  for (const holder of values) {
    if (holder.value.case !== 'json' || fitsInline(holder.value.value)) continue;
    const { hash, sizeBytes } = await claim(tenant, holder.value.value);
    holder.value = { case: 'blob', value: { $typeName: 'writ.worker.v1.Blob', hash, sizeBytes: BigInt(sizeBytes) } };
  }
  return report;
}

function jsonBytes(value: Value | undefined): number {
  return value?.value.case === 'json' ? value.value.value.length : 0;
}

function valuesOf({ what }: Command): Value[] {
  switch (what.case) {
    case 'completed':
    case 'emit':
      return [what.value];
    case 'start':
      return what.value.input ? [what.value.input] : [];
    case 'loop':
      return what.value.state ? [what.value.state] : [];
    default:
      return [];
  }
}
