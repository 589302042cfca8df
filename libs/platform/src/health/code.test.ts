import { expect, test } from '@jest/globals';
import { CaseService } from '@writ/proto/testing/v1/case';
import { verifies } from '@writ/testkit';
import { codeOf } from './code.js';

test('replicas of another API or another model are told apart, and equal ones are not', () => {
  verifies('doctor.mixed_code');
  const own = codeOf([CaseService], 1);
  expect(own).toMatch(/^[0-9a-f]{12}$/);
  expect(codeOf([CaseService, CaseService], 1)).toBe(own);
  const { file } = CaseService;
  const newer = { ...CaseService, file: { ...file, proto: { ...file.proto, dependency: ['newer.proto'] } } };
  expect(
    new Set([own, codeOf([newer], 1), codeOf([CaseService], 2), codeOf([CaseService], undefined), codeOf([], 1)]).size,
  ).toBe(5);
});
