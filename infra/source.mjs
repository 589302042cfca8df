/** `node --import ./infra/source.mjs program.ts`: runs the project from its sources, without a build. */
import { registerHooks } from 'node:module';
import './typescript.mjs';

registerHooks({
  resolve(specifier, context, next) {
    const conditions = specifier.startsWith('@writ/') ? ['source', ...context.conditions] : context.conditions;
    return next(specifier, { ...context, conditions });
  },
});
