/** The pages of `infra/runbooks`, the alert rules and the dashboard, as the tests read them. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '@writ/testkit';

export interface Page {
  /** From the root of the project. */
  readonly path: string;
  readonly title: string;
  /** Of its headings of the second level. */
  readonly sections: readonly string[];
  readonly diagnosis: readonly Diagnosis[];
  readonly queries: readonly string[];
}

/** A block of commands under `## Diagnosis`, and what a healthy installation prints. */
export interface Diagnosis {
  readonly commands: string;
  readonly expected: readonly RegExp[];
}

export interface Alert {
  readonly name: string;
  readonly query: string;
  readonly runbook: string | undefined;
}

const read = (file: string): string => readFileSync(path.join(projectRoot, file), 'utf8');

export function pages(kind: 'alerts' | 'agents'): Page[] {
  const folder = `infra/runbooks/${kind}`;
  return readdirSync(path.join(projectRoot, folder)).map((name) => pageOf(`${folder}/${name}`));
}

function pageOf(file: string): Page {
  const text = read(file);
  const diagnosis = /^## Diagnosis\n(.*?)(?=^## )/ms.exec(text)?.[1] ?? '';
  return {
    path: file,
    title: /^# (.*)$/m.exec(text)?.[1] ?? '',
    sections: [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading as string),
    diagnosis: [...diagnosis.matchAll(/^```sh\n(.*?)^```\n((?:\n?^Expect: [^\n]*\n)*)/gms)].map(
      ([, commands, expected]) => ({
        commands: commands as string,
        expected: [...(expected as string).matchAll(/`(.*)`/g)].map(
          ([, pattern]) => new RegExp(pattern as string, 'm'),
        ),
      }),
    ),
    queries: [...text.matchAll(/^```promql\n(.*?)^```/gms)].map(([, query]) => query as string),
  };
}

/** `infra/prometheus/rules.yaml`, of which every rule is written in the same few ways. */
export function alerts(): Alert[] {
  return read('infra/prometheus/rules.yaml')
    .split(/^ +- (?=alert:|record:|\{|name:)/m)
    .filter((rule) => rule.startsWith('alert:'))
    .map((rule) => ({
      name: /^alert: (.*)$/m.exec(rule)?.[1] as string,
      query: /^ +expr: (?:>-\n)?(.*?)(?=^ +(?:for|labels):)/ms.exec(rule)?.[1] as string,
      runbook: /^ +runbook: (.*)$/m.exec(rule)?.[1],
    }));
}

/** How many partitions the rules expect to be owned, by service. */
export function expectedPartitions(): Record<string, number> {
  const rules = read('infra/prometheus/rules.yaml').matchAll(/labels: \{ service: ([\w-]+) \}, expr: vector\((\d+)\)/g);
  return Object.fromEntries([...rules].map(([, service, count]) => [service, Number(count)]));
}

/** Every query of the dashboard. */
export function dashboardQueries(): string[] {
  const { panels } = JSON.parse(read('infra/grafana/dashboards/writ.json')) as {
    panels: { targets?: { expr: string }[] }[];
  };
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

/** The metrics that a query names, without what Prometheus makes of a histogram. */
export function metricsIn(query: string): string[] {
  const names = query.match(/\b(?:writ|process|nodejs)_\w+/g) ?? [];
  return names.map((name) => (name.startsWith('writ_api_call') ? name.replace(/_(bucket|count|sum)$/, '') : name));
}

/** The names in the table of `infra/design/metrics.md`. */
export function documentedMetrics(): Set<string> {
  return new Set([...read('infra/design/metrics.md').matchAll(/^\| `(writ_\w+)`/gm)].map(([, name]) => name as string));
}
