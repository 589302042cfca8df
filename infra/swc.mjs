/** The one SWC configuration: `build.mjs` emits with it, `source.mjs` runs with it, jest transforms with it. */
export const swcOptions = {
  jsc: {
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: false },
    target: 'es2024',
    keepClassNames: true,
  },
  module: { type: 'es6' },
};
