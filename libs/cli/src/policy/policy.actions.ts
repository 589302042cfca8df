import { readFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { objectOf } from '../command/input.js';
import { exit } from '../failure/exit-code.js';
import { Refused } from '../failure/refused.js';
import { plainLine, styled } from '../output/text.js';
import { confirm } from '../prompt/confirm.js';

interface PolicyFile {
  readonly name: string;
  readonly text: string;
}

/** The files named, and the `*.cedar` of folders, by name. @throws Refused `cli.bad_input`, `cli.usage` */
export async function policyFiles(given: readonly string[]): Promise<PolicyFile[]> {
  const files: PolicyFile[] = [];
  for (const each of given) {
    const folder = (await stat(each).catch(missing(each))).isDirectory();
    const names = folder ? (await readdir(each)).filter((name) => name.endsWith('.cedar')).sort() : [];
    if (folder && names.length === 0) throw new Refused('cli.bad_input', `there is no *.cedar file in ${each}`);
    for (const file of folder ? names.map((name) => path.join(each, name)) : [each])
      files.push({ name: path.basename(file), text: await readFile(file, 'utf8').catch(missing(file)) });
  }
  const twice = files.find(({ name }, at) => files.findIndex((other) => other.name === name) !== at);
  if (twice) throw new Refused('cli.bad_input', `two files are called ${twice.name}`);
  return files;
}

const missing = (file: string) => (error: NodeJS.ErrnoException) => {
  throw new Refused('cli.bad_input', `${file} cannot be read: ${error.code ?? error.message}`);
};

type Pushed = Answer<typeof routes.pushPolicySet>;

function tellFindings(call: Call, { findings }: Pushed): void {
  for (const { severity, file, policy, message } of findings) {
    const style = severity === 'error' ? 'red' : 'yellow';
    const place = [file, policy].filter(Boolean).join(' ');
    call.out.say(plainLine(`${place}: `) + styled(style, severity, process.stderr) + plainLine(` ${message}`));
  }
}

interface CheckOptions {
  principal?: string | undefined;
  action?: string | undefined;
  resource?: string | undefined;
  arguments?: string | undefined;
}

export async function check(call: Call, given: readonly string[], options: CheckOptions): Promise<number> {
  const files = await policyFiles(given);
  if (options.principal !== undefined || options.action !== undefined || options.resource !== undefined)
    return ask(call, files, options);
  if (files.length === 0)
    throw new Refused('cli.usage', 'there is nothing to check', {
      hint: 'name *.cedar files, or ask with --principal, --action and --resource',
    });
  const body = await (await call.api()).call(routes.pushPolicySet, { files, validateOnly: true });
  tellFindings(call, body);
  const bad = body.findings.some(({ severity }) => severity === 'error');
  call.out.receipt(body, body.version, `${body.policies} policies, ${bad ? 'not valid' : 'valid'}`);
  return bad ? exit.found : exit.ok;
}

async function ask(call: Call, draft: PolicyFile[], options: CheckOptions): Promise<number> {
  const { principal, action, resource } = options;
  const [resourceType, ...name] = resource?.split(':') ?? [];
  if (!principal || !action || !resourceType || name.length === 0)
    throw new Refused('cli.usage', 'a question needs --principal, --action and --resource <Type:id>');
  const body = await (
    await call.api()
  ).call(routes.checkDecision, {
    principal,
    action,
    resourceType,
    resource: name.join(':'),
    draft,
    arguments: (options.arguments === undefined ? {} : await objectOf(options.arguments, '--arguments')) as never,
  });
  const reasons = body.reasons.map(({ code, policy, text }) => `${text || code}${policy && `   policy ${policy}`}`);
  call.out.thing(body, {
    name: body.outcome,
    fields: [
      ['outcome', body.outcome],
      ['why', reasons.join('\n')],
      ['version', body.version],
    ],
  });
  return body.outcome === 'allow' ? exit.ok : exit.found;
}

interface PushOptions {
  mode?: string | undefined;
  expect?: string | undefined;
  dryRun: boolean;
}

export async function push(call: Call, given: readonly string[], options: PushOptions): Promise<number> {
  const { mode = 'enforce', expect = '', dryRun } = options;
  const files = await policyFiles(given);
  if (files.length === 0) throw new Refused('cli.usage', 'there is nothing to push', { hint: 'name *.cedar files' });
  const api = await call.api();
  const request = {
    files,
    mode: mode === 'enforce' ? 'POLICY_MODE_ENFORCE' : 'POLICY_MODE_LOG_ONLY',
    expectedVersion: expect,
  };
  if (!dryRun && mode === 'log-only') await confirm(call, 'With log-only nothing is denied. Push it?', 'go');
  const body = await api.call(routes.pushPolicySet, { ...request, validateOnly: dryRun });
  tellFindings(call, body);
  const bad = body.findings.some(({ severity }) => severity === 'error');
  const what = dryRun ? `would be ${bad ? 'refused' : 'active'}` : `active (${mode})`;
  call.out.receipt(body, body.version, `${body.policies} policies ${what}`);
  return bad ? exit.found : exit.ok;
}
