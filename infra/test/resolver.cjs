/**
 * TypeScript sources import each other with `.js`; only for our own files that means the `.ts` beside it. And the condition
 * `source` is ours alone: other packages have one too, which means a file that nobody can run.
 */
module.exports = (request, options) => {
  if (request.startsWith('.') && request.endsWith('.js') && !options.basedir.includes('node_modules')) {
    try {
      return options.defaultResolver(request.replace(/\.js$/, '.ts'), options);
    } catch {
      return options.defaultResolver(request, options);
    }
  }
  if (request.startsWith('.') || request.startsWith('@writ/')) return options.defaultResolver(request, options);
  const conditions = options.conditions?.filter((condition) => condition !== 'source');
  return options.defaultResolver(request, { ...options, conditions });
};
