import type { Scenario, Suite } from './suite.js';

/** The same scenarios against three things. */
export interface Comparison {
  readonly suite: Suite;
  readonly alone: readonly Scenario[];
  readonly behind: readonly Scenario[];
  /** Nobody listens: what passes here says nothing. */
  readonly dead: readonly Scenario[];
}

export interface Line {
  readonly name: string;
  readonly notScored: string | undefined;
  readonly alone: Count;
  readonly behind: Count;
  /** Checks that pass against nobody; they count nowhere. */
  readonly vacuous: readonly string[];
  /** Checks that the reference passes and the gateway does not. */
  readonly lost: readonly { id: string; why: string }[];
}

interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** Scenario by scenario, without the checks that pass against a dead server. */
export function compare({ alone, behind, dead }: Comparison): Line[] {
  const byName = (scenarios: readonly Scenario[]) => new Map(scenarios.map((scenario) => [scenario.name, scenario]));
  const [gateway, nobody] = [byName(behind), byName(dead)];
  return alone.map((reference) => {
    const { name, notScored } = reference;
    const vacuous = [...new Set(nobody.get(name)?.passed ?? [])];
    const there = gateway.get(name) ?? { passed: [], failed: [{ id: name, why: 'it did not run' }] };
    const passes = new Set(there.passed);
    const why = (id: string) => there.failed.find((check) => check.id === id)?.why ?? 'it was not checked';
    return {
      name,
      notScored,
      alone: countOf(reference, vacuous),
      behind: countOf(there, vacuous),
      vacuous,
      lost: [...new Set(reference.passed)]
        .filter((id) => !vacuous.includes(id) && (!passes.has(id) || there.failed.some((check) => check.id === id)))
        .filter((id) => !reference.failed.some((check) => check.id === id))
        .map((id) => ({ id, why: why(id) })),
    };
  });
}

export function totalOf(lines: readonly Line[], place: 'alone' | 'behind'): Count {
  const scored = lines.filter(({ notScored }) => notScored === undefined);
  const sum = (what: keyof Count) => scored.reduce((total, line) => total + line[place][what], 0);
  return { passed: sum('passed'), failed: sum('failed') };
}

/** Markdown of one suite. */
export function table({ suite }: Comparison, lines: readonly Line[]): string {
  const [alone, behind] = [totalOf(lines, 'alone'), totalOf(lines, 'behind')];
  const vacuous = new Map<string, string[]>();
  for (const line of lines) for (const id of line.vacuous) vacuous.set(id, [...(vacuous.get(id) ?? []), line.name]);
  return [
    `## \`@modelcontextprotocol/conformance\` ${suite.version}`,
    '',
    `${suite.about}. Checks passed and failed; those that pass against a port where nobody listens are not counted.`,
    '',
    '| scenario | reference server alone | behind the gateway |',
    '| --- | --- | --- |',
    ...lines.map(
      (line) =>
        `| ${line.name}${line.notScored ? ` (not scored: ${line.notScored})` : ''} | ${said(line.alone)} | ${said(line.behind)} |`,
    ),
    `| **all that is scored** | **${said(alone)}** | **${said(behind)}** |`,
    '',
    vacuous.size === 0
      ? 'Against a port where nobody listens no check passes.'
      : `Passing against a port where nobody listens, and so not counted: ${[...vacuous].map(([id, names]) => `\`${id}\` of ${names.join(', ')}`).join('; ')}.`,
    '',
  ].join('\n');
}

/** Markdown of the scenarios for authorization servers. */
export function authorizationTable(scenarios: readonly Scenario[]): string {
  return [
    '## The authorization server',
    '',
    '| scenario | passed | what the suite remarks |',
    '| --- | --- | --- |',
    ...scenarios.map(
      ({ name, passed, failed, remarks }) =>
        `| ${name} | ${said({ passed: passed.length, failed: failed.length })} | ${[...failed, ...remarks].map(({ why }) => why).join('; ')} |`,
    ),
    '',
  ].join('\n');
}

function countOf({ passed, failed }: Pick<Scenario, 'passed' | 'failed'>, vacuous: readonly string[]): Count {
  return {
    passed: passed.filter((id) => !vacuous.includes(id)).length,
    failed: failed.filter(({ id }) => !vacuous.includes(id)).length,
  };
}

const said = ({ passed, failed }: Count): string => (failed === 0 ? `${passed}` : `${passed}, ${failed} failed`);
