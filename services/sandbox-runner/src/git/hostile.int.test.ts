/** What repositories and their servers may try. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Outbound } from '@writ/platform';
import { verifies } from '@writ/testkit';
import { deltaBomb, HostileGitServer, type Said } from '../testing/hostile-git-server.js';
import { Checkouts } from './checkouts.js';
import { Git } from './git.js';
import { Repositories } from './repositories.js';
import { Sources } from './sources.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'writ-hostile-git-'));
const kept = path.join(folder, 'kept');
const source = path.join(folder, 'source');
const caps = { repositoryMib: 64, files: 1000, treeMib: 8 };
const git = new Git(path.join(folder, 'home'), 512);
let server: HostileGitServer;
let sources: Sources;
let repositories: Repositories;
let checkouts: Checkouts;

/** Runs Git in the source, as whoever owns it. */
function inSource(args: string[], input: string | Buffer = ''): string {
  const options = { cwd: source, input, stdio: ['pipe', 'pipe', 'pipe'] as ['pipe', 'pipe', 'pipe'] };
  return execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], options)
    .toString()
    .trim();
}
const blob = (content: string): string => inSource(['hash-object', '-w', '--stdin'], content);
/** A tree, byte for byte, whatever it says. */
const tree = (...entries: [mode: string, name: string, id: string][]): string => {
  const lines = entries.map(([mode, name, id]) =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]),
  );
  return inSource(['hash-object', '-w', '-t', 'tree', '--literally', '--stdin'], Buffer.concat(lines));
};
const branch = (name: string, root: string): string => {
  const commit = inSource(['commit-tree', root, '-m', name]);
  inSource(['update-ref', `refs/heads/${name}`, commit]);
  return commit;
};
/** The code of what a promise is refused with. */
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing was refused',
    (error: { code?: string }) => error.code ?? String(error),
  );
const target = (): string => repositories.path('tnt_1', 'art_1');
const leftovers = (): string[] => fs.readdirSync(path.join(kept, 'artifacts/tnt_1'));

beforeAll(async () => {
  fs.mkdirSync(source);
  fs.mkdirSync(kept);
  server = await HostileGitServer.start();
  const named = `git.example:${server.port}`;
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
  sources = new Sources(`${source},http://`, new Outbound([named], resolve), kept);
  repositories = new Repositories(git, path.join(kept, 'artifacts'), caps, (at) => sources.locate(at));
  checkouts = new Checkouts(git, path.join(kept, 'checkouts'), 2, caps);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('a tree', () => {
  beforeAll(() => {
    inSource(['init', '-q', '-b', 'main']);
    branch('main', tree(['100644', 'a.txt', blob('fine')]));
  });

  test('of a few objects that unfold to billions of files is neither imported nor checked out', async () => {
    verifies('artifact.bombs');
    let bomb = tree(['100644', 'f', blob('x')]);
    for (let level = 0; level < 10; level++)
      bomb = tree(...Array.from({ length: 10 }, (_, at): [string, string, string] => ['40000', `d${at}`, bomb]));
    const commit = branch('bomb', bomb);
    expect(await codeOf(repositories.import(target(), source, 'bomb'))).toBe('artifact.too_large');
    expect(leftovers()).toEqual([]);
    // Beside a harmless branch it comes in, where it takes nothing; its files do not come out.
    await repositories.import(target(), source, '');
    expect(await codeOf(checkouts.take('tnt_1/art_1', target(), commit))).toBe('artifact.too_large');
    expect(fs.existsSync(path.join(kept, 'checkouts'))).toBe(false);
  });

  test('of one small object that unfolds to much is not checked out', async () => {
    const zeros = inSource(['hash-object', '-w', '--stdin'], Buffer.alloc(9 * 1024 * 1024));
    const commit = branch('zeros', tree(['100644', 'zeros', zeros]));
    await repositories.import(target(), source, '');
    expect(await codeOf(checkouts.take('tnt_1/art_1', target(), commit))).toBe('artifact.too_large');
  });

  const plain = () => blob('x');
  test.each<[string, () => string, string]>([
    [
      'that writes into .git',
      () => tree(['40000', '.git', tree(['100644', 'config', plain()])]),
      'artifact.import_failed',
    ],
    [
      'that writes into .GIT',
      () => tree(['40000', '.GIT', tree(['100644', 'config', plain()])]),
      'artifact.import_failed',
    ],
    ['with ..', () => tree(['40000', '..', tree(['100644', 'x', plain()])]), 'artifact.import_failed'],
    ['with a slash in a name', () => tree(['100644', '../../x', plain()]), 'artifact.import_failed'],
    ['with an absolute name', () => tree(['100644', '/etc/x', plain()]), 'artifact.import_failed'],
    [
      'with a link and a folder of one name',
      () => tree(['120000', 'd', blob('/tmp')], ['40000', 'd', tree(['100644', 'x', plain()])]),
      'artifact.import_failed',
    ],
    ['with a name that no file system takes', () => tree(['100644', 'n'.repeat(300), plain()]), 'artifact.bad_path'],
  ])('%s is not imported', async (_what, root, code) => {
    verifies('artifact.paths');
    branch('evil', root());
    fs.rmSync(target(), { recursive: true, force: true });
    expect(await codeOf(repositories.import(target(), source, 'evil'))).toBe(code);
    expect(leftovers()).toEqual([]);
  });

  test('has names that differ in case or in how a letter is composed, and links that lead out: all are written as they are', async () => {
    const names = ['README', 'readme', '\u00e9', 'e\u0301', '\u202e', 'a\\b', '-rf', 'con'];
    const entries = [...names.map((name): [string, string, string] => ['100644', name, blob(name)])];
    entries.push(['120000', 'out', blob('../../../../etc/passwd')]);
    const sorted = entries.sort(([, a], [, b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const commit = branch('names', tree(...sorted));
    await repositories.import(target(), source, 'names');
    const checkout = await checkouts.take('tnt_1/art_1', target(), commit);
    for (const name of names) expect(fs.readFileSync(path.join(checkout.folder, name), 'utf8')).toBe(name);
    expect(fs.readlinkSync(path.join(checkout.folder, 'out'))).toBe('../../../../etc/passwd');
    checkout.release();
  });
});

describe('a server', () => {
  const importFrom = (said: Said): Promise<string> => {
    server.said = said;
    fs.rmSync(target(), { recursive: true, force: true });
    return codeOf(repositories.import(target(), `http://git.example:${server.port}/x.git`, ''));
  };
  const clean = (): void => expect(leftovers()).toEqual([]);

  test('is reached at the address that was checked, though the system knows no such name', async () => {
    verifies('outbound.rebinding');
    expect(await importFrom({ pack: Buffer.from('PACK') })).toBe('artifact.import_failed');
    expect(server.seen[0]).toBe(`git.example:${server.port} /x.git/info/refs?service=git-upload-pack`);
    clean();
  });

  test('that is not reached by an address of the operator is not reached at all', async () => {
    verifies('outbound.guarded');
    const before = server.seen.length;
    for (const host of ['127.0.0.1', 'localhost', '0x7f.1', '[::1]', '[::ffff:7f00:1]'])
      expect(
        await codeOf(
          new Repositories(git, kept, caps, (at) => new Sources('http://', new Outbound([]), kept).locate(at)).import(
            target(),
            `http://${host}:${server.port}/x.git`,
            '',
          ),
        ),
      ).toBe('outbound.address_refused');
    expect(server.seen.length).toBe(before);
  });

  test('that sends elsewhere is not followed', async () => {
    const location = `http://git.example:${server.port}/elsewhere/info/refs?service=git-upload-pack`;
    const before = server.seen.length;
    expect(await importFrom({ answer: (response) => response.writeHead(302, { location }).end() })).toBe(
      'artifact.import_failed',
    );
    expect(server.seen.slice(before)).toHaveLength(1);
    clean();
  });

  test('that names objects to fetch from elsewhere, in the old protocol, is not followed', async () => {
    const before = server.seen.length;
    await importFrom({ answer: (response) => response.end(`${'1'.repeat(40)}\trefs/heads/main\n`) });
    expect(server.seen.slice(before).filter((each) => !each.includes('/x.git/'))).toEqual([]);
    clean();
  });

  test.each<[string, Said, string]>([
    ['with nothing but a page', { answer: (response) => response.end('<html>') }, 'artifact.empty'],
    ['with nothing', { answer: (response) => response.writeHead(404).end() }, 'artifact.not_a_repository'],
    ['that cuts the connection', { answer: (response) => response.destroy() }, 'artifact.import_failed'],
    ['with a truncated pack', { pack: deltaBomb(16).subarray(0, 5000) }, 'artifact.import_failed'],
    [
      'with a pack that is none',
      { pack: Buffer.from('not a pack at all, whatever it says') },
      'artifact.import_failed',
    ],
    ['with names that lead out', { refs: ['refs/heads/../../x', 'refs/heads/main'] }, 'artifact.import_failed'],
    [
      'with names that look like options',
      { refs: ['refs/heads/--upload-pack=x', '--exec=x'] },
      'artifact.import_failed',
    ],
    ['with a name that is a folder too', { refs: ['refs/heads/a', 'refs/heads/a/b'] }, 'artifact.import_failed'],
    ['with a pack that unfolds to a GiB', { pack: deltaBomb(1024) }, 'artifact.too_large'],
  ])('%s is refused with a code, and leaves nothing', async (_what, said, code) => {
    verifies('artifact.bombs');
    expect(await importFrom(said)).toBe(code);
    clean();
  });
});

test('what the runner keeps for other tenants is no source, however the path is written', () => {
  const all = new Sources('/', new Outbound([]), kept);
  const link = path.join(folder, 'link');
  fs.symlinkSync(kept, link);
  for (const place of [kept, `${kept}/artifacts`, `${source}/../kept`, link, `${link}/checkouts`])
    expect(() => all.check(place)).toThrow('WRIT_ARTIFACT_SOURCES');
  expect(all.check(source)).toBe(fs.realpathSync(source));
  for (const place of ['ext::sh -c x', 'file:///etc', '-oProxyCommand=x', 'ssh://x/y', 'x:y', '', 'etc', '/etc\0'])
    expect(() => all.check(place)).toThrow();
  expect(() => new Sources('https://', new Outbound([]), kept).check('https://u:p@git.example/x')).toThrow(
    'credentials',
  );
});
