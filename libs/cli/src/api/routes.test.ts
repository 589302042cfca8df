import { expect, test } from '@jest/globals';
import { getOption } from '@bufbuild/protobuf';
import { verifies } from '@writ/testkit';
import { http } from '@writ/proto/google/api/annotations';
import { methodOf } from '../testing/contract.js';
import type { Route } from './route.js';
import { routes } from './routes.js';

test.each(Object.entries(routes) as [string, Route][])(
  '%s is where the contract says',
  (_name, { name, verb, path }) => {
    verifies('cli.contract');
    const pattern = getOption(methodOf(name), http).pattern;
    expect(`${pattern.case?.toUpperCase()} ${pattern.value as string}`).toBe(`${verb} ${path}`);
  },
);
