import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { BaseConfig, readConfig } from './config.js';

const given = {
  WRIT_NATS_URL: 'nats://h:4222',
  WRIT_POSTGRES_URL: 'postgres://h/d',
  WRIT_ISSUER: 'https://writ.example/oauth',
};
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a secret is read from the file that is named instead of it', () => {
  verifies('platform.secret_files');
  const file = path.join(folder, 'password');
  writeFileSync(file, 'from a file\n');
  const config = readConfig(BaseConfig, { ...given, WRIT_NATS_PASS_FILE: file, WRIT_NATS_PASS: 'beside it' });
  expect(config.WRIT_NATS_PASS).toBe('from a file');
});

test('a file that is not there is named, and no other variable’s file is read', () => {
  const absent = path.join(folder, 'absent');
  expect(() => readConfig(BaseConfig, { ...given, WRIT_NATS_PASS_FILE: absent })).toThrow(
    /WRIT_NATS_PASS_FILE names a file that cannot be read: .*absent/,
  );
  expect(readConfig(BaseConfig, { ...given, WRIT_KEY_FILE: absent })).toMatchObject(given);
});
