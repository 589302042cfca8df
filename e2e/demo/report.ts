/** The report as a person reads it: what is new first, one table a reviewer. */

export interface Finding {
  readonly id: string;
  readonly reviewer: string;
  readonly rule: string;
  readonly path: string;
  readonly message: string;
  readonly line?: number;
  readonly severity?: string;
}

export interface Review {
  readonly reviewer: string;
  readonly findings: readonly Finding[];
  readonly total: number;
  readonly looked: Record<string, unknown>;
}

const titles: Record<string, string> = {
  secrets: 'Secrets',
  hotspots: 'Hot spots',
  dependencies: 'Dependencies',
  links: 'Links',
};

/** Text that cannot break out of a table cell or smuggle markup in: what a repository says is not ours. */
const cell = (text: string) =>
  text
    .replace(/[\\`*_<>|[\]]/g, '\\$&')
    .replace(/\s+/g, ' ')
    .slice(0, 300);

export function reportOf(input: {
  repository: string;
  commit: string;
  reviews: readonly Review[];
  isNew: ReadonlySet<string>;
  gone: readonly { path: string; message: string }[];
}): string {
  const lines = [`# Review of ${cell(input.repository)}`, '', `Commit \`${input.commit}\`.`, ''];
  for (const { reviewer, findings, total, looked } of input.reviews) {
    const what = Object.entries(looked).map(([name, value]) => `${name} ${String(value)}`);
    lines.push(`## ${titles[reviewer] ?? reviewer}`, '', `Looked at: ${what.join(', ')}.`, '');
    if (findings.length === 0) lines.push('Nothing found.', '');
    else {
      lines.push('| | where | what |', '|---|---|---|');
      for (const finding of findings) {
        const where = `${cell(finding.path)}${finding.line === undefined ? '' : `:${finding.line}`}`;
        lines.push(`| ${input.isNew.has(finding.id) ? '**new**' : 'known'} | ${where} | ${cell(finding.message)} |`);
      }
      if (total > findings.length) lines.push('', `And ${total - findings.length} more that are not listed.`);
      lines.push('');
    }
  }
  if (input.gone.length > 0) {
    lines.push('## Gone since the last review', '');
    for (const { path, message } of input.gone) lines.push(`- ${cell(path)}: ${cell(message)}`);
    lines.push('');
  }
  return lines.join('\n');
}
