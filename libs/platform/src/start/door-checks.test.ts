import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { isServed } from './door-checks.js';

const served = new Set(['writ.example', 'gateway.writ.svc.cluster.local']);

test.each([
  ...[
    '127.0.0.1',
    '127.0.0.1:80',
    '10.1.2.3:8080',
    '[::1]:8080',
    '[fe80::1]',
    'localhost',
    'localhost:1',
    'gateway:8080',
  ],
  ...['writ.example', 'WRIT.example:443', 'writ.example.', 'gateway.writ.svc.cluster.local:8080'],
])('%s is served', (host) => {
  expect(isServed(host, served)).toBe(true);
});

test.each([
  ...[
    'evil.example',
    'evil.example:80',
    'writ.example.evil.example',
    'xwrit.example',
    '127.0.0.1.nip.io',
    'a.localhost',
  ],
  ...[
    '',
    ':80',
    '[evil.example]',
    '[::1',
    '::1',
    'a b',
    'writ.example@evil.example',
    'x/y',
    '127.1',
    '0x7f.1',
    'writ.example:x',
  ],
])('%j is not', (host) => {
  verifies('api.host_checked');
  expect(isServed(host, served)).toBe(false);
});
