/** What may import what, and what may stand where; `eslint.config.mjs` puts it into force. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Who may depend on whom, by the tags in each package.json. Services meet in the ledger, in commands and in `proto/`,
 * never by import; what composes them and what tests them may see all.
 *
 * @param {{testkit: boolean}} options whether the file is a test, which may use the testkit
 */
export function boundaries({ testkit }) {
  const forTests = testkit ? ['type:testkit'] : [];
  const only = (sourceTag, ...tags) => ({ sourceTag, onlyDependOnLibsWithTags: [...tags, ...forTests] });
  return {
    allow: [],
    enforceBuildableLibDependency: false,
    banTransitiveDependencies: false,
    depConstraints: [
      only('type:lib', 'type:lib'),
      only('type:service', 'type:lib'),
      only('type:testkit', 'type:lib', 'type:testkit'),
      only('type:composition', 'type:lib', 'type:service'),
      only('type:e2e', 'type:lib', 'type:service', 'type:composition', 'type:testkit'),
      // What a developer of agents installs must not bring the platform's inside with it.
      only('scope:sdk', 'scope:sdk', 'scope:proto'),
      only('scope:proto', 'scope:proto'),
    ],
  };
}

export const forbiddenEverywhere = {
  imports: [
    {
      name: '@nestjs/common',
      importNames: ['forwardRef', 'Global'],
      message: 'A cycle or a global hides who depends on whom; split the module.',
    },
  ],
  syntax: [
    { selector: 'ExportAllDeclaration', message: 'Name what is exported.' },
    {
      selector:
        "CallExpression[callee.object.name='jest'][callee.property.name=/^(mock|doMock|unstable_mockModule|spyOn|fn)$/]",
      message: 'Fakes, not mocks: use the fake of the port, or the real thing.',
    },
    {
      selector: "MethodDefinition[kind='constructor'] > FunctionExpression[params.length>4]",
      message: 'A constructor takes at most 4 things: this class has more than one job.',
    },
    {
      selector: ':matches(ClassDeclaration, MethodDefinition, PropertyDefinition)[decorators.length>3]',
      message: 'At most three decorators on anything.',
    },
  ],
};

const pureMessage = 'This file is pure: the same arguments give the same events. Pass it in, or do it in the shell.';

export const forbiddenInPureFiles = {
  imports: {
    patterns: [
      {
        group: ['@nestjs/*', 'typeorm', 'pg', '@nats-io/*', 'node:*', 'fastify', '@grpc/*', '@writ/platform'],
        message: pureMessage,
      },
      { regex: '^@writ/ledger$', allowTypeImports: true, message: `${pureMessage} Import from @writ/ledger/domain.` },
    ],
  },
  syntax: [
    { selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']", message: pureMessage },
    { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: pureMessage },
    { selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']", message: pureMessage },
    { selector: "MemberExpression[object.name='process']", message: pureMessage },
    { selector: 'AwaitExpression', message: pureMessage },
  ],
};

/**
 * `services/<s>/src/<thing>/<thing>.ts` where it decides (a page of HTML may be called so, too), and
 * `@writ/ledger/domain` without the file that makes ids for the shell.
 */
export function pureFiles(root) {
  const found = ['libs/ledger/src/domain.ts', 'libs/ledger/src/domain/!(*.test|ids).ts'];
  for (const service of readdirSync(path.join(root, 'services'))) {
    const source = path.join(root, 'services', service, 'src');
    for (const thing of existsSync(source) ? readdirSync(source) : []) {
      const file = `services/${service}/src/${thing}/${thing}.ts`;
      const text = existsSync(path.join(root, file)) ? readFileSync(path.join(root, file), 'utf8') : '';
      if (/\b(decide|evolve)\b/.test(text)) found.push(file);
    }
  }
  return found;
}
