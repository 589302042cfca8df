import { access, constants, readdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { isFree } from '@writ/servers';
import { alive, type Call } from '../command/call.js';
import { jsonFile } from '../config/settings.js';
import { note, ok, problem, type Finding } from './check.js';

const gibibyte = 1024 ** 3;
/** What only its owner may read, in a data folder. */
const secrets = ['secrets.json', 'operator.key.json', 'dev.key.json', 'identity/secret', 'audit/key.pem'];

/** The data folder of an embedded stack: whose it is, who may read it, and whether there is room. */
export async function checkFolder(call: Call, given: string | undefined): Promise<Finding[]> {
  const folder = path.resolve(given ?? (await runningFolder(call)) ?? '.writ');
  const name = 'data folder';
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    return given === undefined
      ? []
      : [
          problem(
            name,
            `${folder} is not there`,
            `npm start -- --data ${given}, or writ restore <backup> --data ${given}`,
          ),
        ];
  const usable = await access(folder, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!usable)
    return [
      problem(name, `${folder} cannot be read and written by this user`, `run this as its owner: ls -ld ${folder}`),
    ];
  return [ok(name, folder), ...(await stack(folder)), ...(await readable(folder)), ...(await room(folder))];
}

async function runningFolder(call: Call): Promise<string | undefined> {
  const { keyFile } = await call.settings();
  return keyFile?.source.endsWith('stack.json') ? path.dirname(keyFile.source) : undefined;
}

/** Whether a stack runs on it, and if not, whether one could. */
async function stack(folder: string): Promise<Finding[]> {
  const [claim, ready, kept] = await Promise.all(
    ['claim.json', 'stack.json', 'secrets.json'].map((file) => jsonFile(path.join(folder, file))),
  );
  const pid = claim?.['pid'];
  const command = `npm start -- --data ${folder}`;
  if (typeof pid === 'number' && alive(pid))
    return [
      ready
        ? ok('stack', `runs on it: process ${pid}`)
        : note('stack', `process ${pid} is starting, or does not get ready`, 'look at its output'),
    ];
  const found =
    typeof pid === 'number'
      ? [
          problem(
            'stack',
            `process ${pid} had it and is gone without a stop`,
            `${command} (nothing acknowledged is lost)`,
          ),
        ]
      : [problem('stack', 'none runs on it', command)];
  const port = kept?.['port'];
  if (typeof port === 'number' && !(await isFree(port)))
    found.push(
      note(
        'port',
        `${port}, the one of last time, is taken by somebody else`,
        `end that one, or ${command} --port <another>`,
      ),
    );
  return found;
}

async function readable(folder: string): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const name of secrets) {
    const mode = (await stat(path.join(folder, name)).catch(() => undefined))?.mode ?? 0;
    if ((mode & 0o077) !== 0)
      found.push(
        problem('secrets', `${path.join(folder, name)} can be read by others`, `chmod 600 ${path.join(folder, name)}`),
      );
  }
  const draft = (await readdir(path.dirname(folder))).find((name) => name === `${path.basename(folder)}.restoring`);
  if (draft)
    found.push(note('restore', `${draft} is left of a restore that was interrupted`, 'run `writ restore` again'));
  return found;
}

async function room(folder: string): Promise<Finding[]> {
  const { bavail, blocks, bsize } = await statfs(folder);
  const [free, share] = [(bavail * bsize) / gibibyte, bavail / blocks];
  const left = `${free.toFixed(1)} GiB free (${Math.round(share * 100)} %)`;
  if (free < 1)
    return [
      problem('disk', `${left}: commands are refused when it is full`, `make room: du -xsh ${folder}/* | sort -h`),
    ];
  if (share < 0.05) return [note('disk', left, `make room: du -xsh ${folder}/* | sort -h`)];
  return [ok('disk', left)];
}
