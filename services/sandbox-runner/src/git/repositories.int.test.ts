import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually, verifies } from '@writ/testkit';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Checkouts, type Checkout } from './checkouts.js';
import { Git } from './git.js';
import { Repositories } from './repositories.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'writ-git-'));
const source = path.join(folder, 'source');
const marker = path.join(folder, 'executed');
const git = new Git(path.join(folder, 'home'));
const caps = { repositoryMib: 64, files: 1000, treeMib: 64 };
const local = async (): Promise<undefined> => undefined;
const repositories = new Repositories(git, path.join(folder, 'repositories'), caps, local);
const at = (id: string): string => repositories.path('tnt_1', id);
const checkouts = new Checkouts(git, path.join(folder, 'checkouts'), 2, caps);

const inSource = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
    cwd: source,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
    .toString()
    .trim();
const commit = (name: string, content: string): string => {
  fs.writeFileSync(path.join(source, name), content);
  inSource('add', '-A');
  inSource('commit', '-q', '-m', `add ${name}`);
  return inSource('rev-parse', 'HEAD');
};

beforeAll(() => {
  fs.mkdirSync(source);
  inSource('init', '-q', '-b', 'trunk');
  commit('a.txt', 'first\n');
  fs.symlinkSync('/etc/passwd', path.join(source, 'link'));
  commit('b.txt', 'second\n');
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('a repository is imported', () => {
  test('at its HEAD, and only what was committed', async () => {
    fs.writeFileSync(path.join(source, 'dirty.txt'), 'not committed');
    fs.writeFileSync(path.join(source, 'a.txt'), 'changed, not committed');
    const imported = await repositories.import(at('art_1'), source, '');
    expect(imported).toEqual({
      commit: inSource('rev-parse', 'HEAD'),
      branch: 'trunk',
      files: 3,
      bytes: 24,
      shallow: false,
    });
    inSource('checkout', '-q', '--', 'a.txt');
    fs.rmSync(path.join(source, 'dirty.txt'));
  });

  test('again, with what is new, and keeps what was there', async () => {
    const before = inSource('rev-parse', 'HEAD');
    const after = commit('c.txt', 'third\n');
    expect((await repositories.import(at('art_1'), source, '')).commit).toBe(after);
    const repository = at('art_1');
    expect(await repositories.resolve(repository, before.slice(0, 10))).toBe(before);
    expect(await repositories.resolve(repository, 'trunk')).toBe(after);
    await expect(repositories.resolve(repository, 'nowhere')).rejects.toMatchObject({ code: 'artifact.no_such_ref' });
  });

  test.each(['--upload-pack=x', 'a..b', 'HEAD@{1}', ':/x', '-x', 'a b', '../x', 'x^{tree}'])(
    'never by an expression: %s',
    async (ref) => {
      await expect(repositories.resolve(at('art_1'), ref)).rejects.toMatchObject({
        code: 'artifact.no_such_ref',
      });
    },
  );

  test('from a shallow clone, and from a detached HEAD', async () => {
    const shallow = path.join(folder, 'shallow');
    execFileSync('git', ['clone', '-q', '--depth', '1', `file://${source}`, shallow], { stdio: 'ignore' });
    execFileSync('git', ['-C', shallow, 'checkout', '-q', '--detach'], { stdio: 'ignore' });
    const imported = await repositories.import(at('art_shallow'), shallow, '');
    expect(imported).toMatchObject({ commit: inSource('rev-parse', 'HEAD'), shallow: true, files: 4 });
    expect(imported.branch).toBeUndefined();
    const checkout = await checkouts.take('art_shallow', at('art_shallow'), imported.commit);
    expect(fs.existsSync(path.join(checkout.folder, 'c.txt'))).toBe(true);
    checkout.release();
  });

  test('or says what is wrong with it, and leaves nothing', async () => {
    const empty = path.join(folder, 'empty');
    execFileSync('git', ['init', '-q', empty]);
    await expect(repositories.import(at('art_2'), empty, '')).rejects.toMatchObject({ code: 'artifact.empty' });
    await expect(repositories.import(at('art_2'), os.tmpdir(), '')).rejects.toMatchObject({
      code: 'artifact.not_a_repository',
    });
    await expect(repositories.import(at('art_2'), source, 'nope')).rejects.toMatchObject({
      code: 'artifact.no_such_ref',
    });
    const small = new Repositories(git, path.join(folder, 'repositories'), { ...caps, files: 2 }, local);
    await expect(small.import(at('art_2'), source, '')).rejects.toMatchObject({ code: 'artifact.too_large' });
    expect(fs.readdirSync(path.join(folder, 'repositories/tnt_1')).filter((name) => name.startsWith('art_2'))).toEqual(
      [],
    );
  });

  test('and nothing that it says is executed', async () => {
    verifies('artifact.executes_nothing');
    const evil = `sh -c 'touch ${marker}'`;
    fs.mkdirSync(path.join(source, '.git/hooks'), { recursive: true });
    for (const hook of ['post-checkout', 'post-upload-pack', 'pre-auto-gc', 'reference-transaction'])
      fs.writeFileSync(path.join(source, '.git/hooks', hook), `#!/bin/sh\ntouch ${marker}\n`, { mode: 0o755 });
    fs.writeFileSync(path.join(source, '.gitattributes'), '* filter=evil diff=evil\n');
    fs.writeFileSync(path.join(source, '.gitmodules'), `[submodule "x"]\n\tpath = x\n\turl = ext::${evil}\n`);
    commit('new.txt', 'x');
    const keys = [
      'core.fsmonitor',
      'core.sshCommand',
      'filter.evil.smudge',
      'filter.evil.clean',
      'uploadpack.packObjectsHook',
    ];
    for (const key of keys) inSource('config', key, evil);
    fs.rmSync(marker, { force: true });
    const imported = await repositories.import(at('art_evil'), source, '');
    const checkout = await checkouts.take('art_evil', at('art_evil'), imported.commit);
    expect(fs.readFileSync(path.join(checkout.folder, 'new.txt'), 'utf8')).toBe('x');
    checkout.release();
    expect(fs.existsSync(marker)).toBe(false);
    await expect(repositories.import(at('art_ext'), `ext::${evil}`, '')).rejects.toThrow();
    expect(fs.existsSync(marker)).toBe(false);
  });
});

describe('a checkout', () => {
  test('has the files of its commit, with links as links, and a repository that borrows its objects', async () => {
    const repository = at('art_1');
    const first = await repositories.resolve(repository, 'trunk');
    const [one, two] = await Promise.all([
      checkouts.take('art_1', repository, first),
      checkouts.take('art_1', repository, first),
    ]);
    expect(one.folder).toBe(two.folder);
    expect(fs.readFileSync(path.join(one.folder, 'a.txt'), 'utf8')).toBe('first\n');
    expect(fs.readlinkSync(path.join(one.folder, 'link'))).toBe('/etc/passwd');
    expect(fs.readFileSync(path.join(one.folder, '.git/objects/info/alternates'), 'utf8')).toBe('/repo.git/objects\n');
    expect(fs.readFileSync(path.join(one.folder, '.git/HEAD'), 'utf8').trim()).toBe(first);
    one.release();
    two.release();
  });

  test('is removed when others are wanted and nobody uses it', async () => {
    const repository = at('art_1');
    const commits = (await git.run(['-C', repository, 'rev-list', 'trunk'])).trim().split('\n');
    const taken: Checkout[] = [];
    for (const each of commits) taken.push(await checkouts.take('art_1', repository, each));
    expect(taken.every(({ folder: made }) => fs.existsSync(made))).toBe(true);
    for (const checkout of taken) checkout.release();
    const again = await checkouts.take('art_1', repository, commits[0] as string);
    await eventually(() => taken.filter(({ folder: made }) => fs.existsSync(made)).length <= 2);
    expect(fs.existsSync(path.join(again.folder, 'a.txt'))).toBe(true);
    again.release();
  });
});
