import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import fc from 'fast-check';
import { specialRangeOf } from './addresses.js';
import { Outbound, type Resolve } from './outbound.js';

const names: Record<string, string[]> = {
  'public.example': ['93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c'],
  'internal.example': ['10.1.2.3'],
  'mixed.example': ['93.184.215.14', '169.254.169.254'],
  localhost: ['127.0.0.1', '::1'],
};
const resolve: Resolve = async (host) => {
  const found = names[host];
  if (found === undefined) throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
  return found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
};
const outcome = async (url: string, ...allow: string[]): Promise<string> =>
  new Outbound(allow, resolve).check(url).then(
    () => 'allowed',
    (error: { code: string }) => error.code,
  );

describe('without any configuration', () => {
  test.each([
    ...['http://127.0.0.1/', 'http://127.9.9.9:3000/', 'http://0.0.0.0/', 'http://0/', 'http://[::]/', 'http://[::1]/'],
    ...['http://2130706433/', 'http://0x7f000001/', 'http://0177.0.0.1/', 'http://127.1/', 'http://0x7f.1/'],
    ...['http://１２７.０.０.１/', 'http://①②⑦.⓪.⓪.①/', 'http://127。0。0。1/', 'http://%31%32%37.0.0.1/'],
    ...['http://169.254.169.254/latest/meta-data/', 'http://[fd00:ec2::254]/', 'http://100.100.100.200/'],
    ...['http://168.63.129.16/', 'http://192.0.0.192/', 'http://[fe80::a9fe:a9fe]/', 'http://[fe80::1]/'],
    ...[
      'http://10.0.0.1/',
      'http://172.16.0.1/',
      'http://172.31.255.255/',
      'http://192.168.1.1/',
      'http://100.64.0.1/',
    ],
    ...['http://[fc00::1]/', 'http://[fec0::1]/', 'http://[ff02::1]/', 'http://224.0.0.1/', 'http://255.255.255.255/'],
    ...['http://198.18.0.1/', 'http://203.0.113.1/', 'http://240.0.0.1/', 'http://[2001:db8::1]/', 'http://[3fff::1]/'],
    ...[
      'http://[::ffff:127.0.0.1]/',
      'http://[::ffff:a9fe:a9fe]/',
      'http://[::ffff:0:127.0.0.1]/',
      'http://[::7f00:1]/',
    ],
    ...[
      'http://[64:ff9b::7f00:1]/',
      'http://[64:ff9b:1::a00:1]/',
      'http://[2002:7f00:1::]/',
      'http://[2002:a9fe:a9fe::1]/',
    ],
    ...['http://[2001::1]/', 'http://[100::1]/', 'http://[5f00::1]/', 'http://[4000::1]/'],
    ...[
      'http://localhost/',
      'http://localhost./',
      'http://LOCALHOST:8080/',
      'https://internal.example/',
      'https://mixed.example/',
    ],
  ])('%s is refused', async (url) => {
    verifies('outbound.guarded');
    expect(await outcome(url)).toBe('outbound.address_refused');
  });

  test.each(['ftp://public.example/', 'file:///etc/passwd', 'gopher://public.example/', 'ext::sh', '', 'http://', 'x'])(
    '%j is not an address',
    async (url) => expect(await outcome(url)).toBe('outbound.url_refused'),
  );

  test('neither is one with a password, which is not repeated', async () => {
    const refused = new Outbound([], resolve).check('http://public.example:hunter2@127.0.0.1/');
    await expect(refused).rejects.toMatchObject({ code: 'outbound.url_refused' });
    await expect(refused).rejects.not.toThrow('hunter2');
  });

  test.each([
    'https://public.example/',
    'http://93.184.215.14:8080/',
    'https://[2606:2800:21f:cb07::1]/',
    'http://1.1/',
  ])('%s is allowed', async (url) => expect(await outcome(url)).toBe('allowed'));

  test('an unknown name has a code, and a refusal says what would allow it but not where the name leads', async () => {
    expect(await outcome('https://nowhere.example/')).toBe('outbound.unknown_host');
    const refused = new Outbound([], resolve).check('https://internal.example/');
    await expect(refused).rejects.toThrow('WRIT_OUTBOUND_ALLOW=internal.example:443 would allow it');
    await expect(refused).rejects.not.toThrow('10.1.2.3');
  });
});

test('no address that holds one of IPv4 is public where that is not', () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const v4 = fc.tuple(fc.constantFrom(10, 127, 169, 192, 172, 0, 100), octet, octet, octet);
  const wraps = ['::ffff:', '::', '::ffff:0:', '64:ff9b::', '64:ff9b:1::'];
  fc.assert(
    fc.property(v4, fc.constantFrom(...wraps), (bytes, wrap) => {
      const alone = specialRangeOf(bytes.join('.'));
      if (alone !== undefined) expect(specialRangeOf(`${wrap}${bytes.join('.')}`)).toBeDefined();
    }),
  );
});

describe('the operator allows', () => {
  test.each([
    ['http://127.0.0.1:3000/', '127.0.0.1:3000', 'allowed'],
    ['http://[::ffff:127.0.0.1]:3000/', '127.0.0.1:3000', 'allowed'],
    ['http://127.0.0.1:3001/', '127.0.0.1:3000', 'outbound.address_refused'],
    ['http://127.0.0.1/', '127.0.0.1:80', 'allowed'],
    ['https://127.0.0.1/', '127.0.0.1:80', 'outbound.address_refused'],
    ['http://[::1]:3000/', '[::1]:3000', 'allowed'],
    ['http://[::1]:3000/', '::1', 'allowed'],
    ['https://internal.example/', '10.0.0.0/8', 'allowed'],
    ['https://internal.example/', '10.2.0.0/16', 'outbound.address_refused'],
    ['https://INTERNAL.example./', 'internal.example', 'allowed'],
    ['https://internal.example/', 'internal.example:8443', 'outbound.address_refused'],
    ['https://mixed.example/', '10.0.0.0/8', 'outbound.address_refused'],
    ['http://localhost:1/', '127.0.0.0/8', 'outbound.address_refused'],
    ['http://[fd00::1]/', 'fd00::/8', 'allowed'],
  ])('%s by %s: %s', async (url, allow, expected) => {
    expect(await outcome(url, allow)).toBe(expected);
  });

  test.each(['', '10.0.0.0/99', '127.0.0.1:', 'http://x', '300.1.1.1', 'a b', '[::1', '*.example'])(
    'not %j, which is no entry',
    (entry) => expect(() => new Outbound([entry])).toThrow(`"${entry}" is not`),
  );
});
