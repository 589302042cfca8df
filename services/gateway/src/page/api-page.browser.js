/** Draws /openapi.json. Everything from the document goes in as text, never as markup. */
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== undefined));
  return element;
};
const VERBS = ['get', 'post', 'put', 'patch', 'delete'];

const { paths, components, info } = await (await fetch('/openapi.json')).json();
const resolve = (schema) => (schema?.$ref ? components.schemas[schema.$ref.split('/').pop()] : schema) ?? {};
const kind = (schema) => {
  if (schema?.$ref) return schema.$ref.split('/').pop().split('.').pop();
  if (schema?.type === 'array') return `${kind(schema.items)}[]`;
  return [schema?.type ?? 'any', schema?.format].flat().filter(Boolean).join(' ');
};

function rows(schema, seen = []) {
  return Object.entries(resolve(schema).properties ?? {}).map(([name, field]) => {
    const inner = field.type === 'array' ? field.items : field;
    const nested = inner?.$ref && !seen.includes(inner.$ref) && resolve(inner).properties;
    const text = make('td', {}, field.description ?? '');
    if (nested)
      text.append(
        make('details', {}, make('summary', { textContent: kind(inner) }), table(inner, [...seen, inner.$ref])),
      );
    return make(
      'tr',
      {},
      make('td', {}, make('code', { textContent: name })),
      make('td', { className: 'kind', textContent: kind(field) }),
      text,
    );
  });
}
const table = (schema, seen) => make('table', {}, ...rows(schema, seen));
const content = (part) => Object.values(part?.content ?? {})[0]?.schema;

function method(path, verb, operation) {
  const needs = Object.values(operation.security?.[0] ?? {})
    .flat()
    .join(' ');
  const body = content(operation.requestBody);
  const answer = content(operation.responses?.['200']);
  const curl = `curl -X ${verb.toUpperCase()} "$WRIT_URL${path}" -H "authorization: Bearer $WRIT_TOKEN"${body ? " -H 'content-type: application/json' -d @body.json" : ''}`;
  const parameters = (operation.parameters ?? []).map((parameter) =>
    make(
      'tr',
      {},
      make('td', {}, make('code', { textContent: parameter.name })),
      make('td', { className: 'kind', textContent: `${parameter.in}, ${kind(parameter.schema)}` }),
      make('td', { textContent: parameter.description ?? '' }),
    ),
  );
  return make(
    'article',
    { id: operation.operationId },
    make('span', { className: 'need', textContent: needs || 'no token' }),
    make(
      'h3',
      {},
      make('span', { className: 'verb', textContent: verb.toUpperCase() }),
      make('code', { textContent: path }),
    ),
    make('p', { textContent: operation.description ?? operation.summary ?? '' }),
    make('pre', { textContent: curl }),
    parameters.length ? make('table', {}, ...parameters) : undefined,
    body ? make('details', { open: true }, make('summary', { textContent: 'Request' }), table(body)) : undefined,
    answer ? make('details', {}, make('summary', { textContent: 'Response' }), table(answer)) : undefined,
  );
}

const groups = new Map();
for (const [path, item] of Object.entries(paths))
  for (const verb of VERBS)
    if (item[verb]) {
      const tag = item[verb].tags?.[0] ?? 'Other';
      groups.set(tag, [...(groups.get(tag) ?? []), [path, verb, item[verb]]]);
    }
const main = document.querySelector('main');
main.replaceChildren(
  make('h1', { textContent: info.title }),
  make('p', { textContent: info.description ?? '' }),
  make('p', {}, make('a', { href: '/openapi.json', textContent: 'OpenAPI 3.1 document' })),
);
for (const [tag, methods] of groups) {
  document
    .querySelector('nav')
    .append(
      make('h2', { textContent: tag }),
      ...methods.map(([path, verb, { operationId }]) =>
        make('a', { href: `#${operationId}`, textContent: `${verb.toUpperCase()} ${path.replace('/v1', '')}` }),
      ),
    );
  main.append(make('h2', { textContent: tag }), ...methods.map((each) => method(...each)));
}
