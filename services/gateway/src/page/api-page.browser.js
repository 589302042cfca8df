/** Draws /openapi.json. Everything from the document goes in as text, never as markup. */
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== undefined));
  return element;
};
const get = async (path) => (await fetch(path)).json();
const VERBS = ['get', 'post', 'put', 'patch', 'delete'];

const { paths, components, tags = [] } = await get('/openapi.json');
const titleOf = (tag) => tag.replace(/Service$/, '');
const resolve = (schema) => (schema?.$ref ? components.schemas[schema.$ref.split('/').pop()] : schema) ?? {};
const kind = (schema) => {
  if (schema?.$ref) return schema.$ref.split('/').pop().split('.').pop();
  if (schema?.type === 'array') return `${kind(schema.items)}[]`;
  return [schema?.type ?? 'any', schema?.format].flat().filter(Boolean).join(' ');
};

const row = (name, type, ...text) =>
  make(
    'tr',
    {},
    make('td', {}, make('code', { textContent: name })),
    make('td', { className: 'kind', textContent: type }),
    make('td', {}, ...text),
  );
function table(schema, seen = []) {
  const rows = Object.entries(resolve(schema).properties ?? {}).map(([name, field]) => {
    const inner = field.type === 'array' ? field.items : field;
    const nested = inner?.$ref && !seen.includes(inner.$ref) && resolve(inner).properties;
    const details = nested
      ? make('details', {}, make('summary', { textContent: kind(inner) }), table(inner, [...seen, inner.$ref]))
      : undefined;
    return row(name, kind(field), field.description ?? '', details);
  });
  return rows.length > 0 ? make('table', {}, ...rows) : make('p', { textContent: 'Nothing.' });
}

const content = (part) => Object.values(part?.content ?? {})[0]?.schema;
const streams = (answer) => Object.keys(answer?.content ?? {}).includes('text/event-stream');

function curl(path, verb, { body, answer, open }) {
  const lines = [`curl ${verb === 'get' ? '' : `-X ${verb.toUpperCase()} `}"$WRIT_URL${path}"`];
  if (!open) lines.push('-H "authorization: Bearer $WRIT_TOKEN"');
  if (streams(answer)) lines.push("-N -H 'accept: text/event-stream'");
  if (body) lines.push("-H 'content-type: application/json' -d @body.json");
  return lines.join(' \\\n  ');
}

function method(path, verb, operation) {
  const needs = Object.values(operation.security?.[0] ?? {}).flat();
  const open = (operation.security ?? []).length === 0;
  const body = content(operation.requestBody);
  const answer = operation.responses?.['200'];
  const parameters = (operation.parameters ?? []).map((each) =>
    row(each.name, `${each.in}, ${kind(each.schema)}`, each.description ?? ''),
  );
  const need = open ? 'no token' : needs.length > 0 ? `needs ${needs.join(' ')}` : 'any valid token';
  const verbTag = make('span', { className: `verb ${verb}`, textContent: verb.toUpperCase() });
  return make(
    'article',
    { id: operation.operationId },
    make(
      'header',
      {},
      make('h3', {}, verbTag, make('a', { href: `#${operation.operationId}` }, make('code', { textContent: path }))),
      make('span', { className: 'need', textContent: need }),
    ),
    make('p', { textContent: operation.description ?? operation.summary ?? '' }),
    make('pre', { textContent: curl(path, verb, { body, answer, open }) }),
    ...(parameters.length > 0 ? [make('h4', { textContent: 'Parameters' }), make('table', {}, ...parameters)] : []),
    ...(body ? [make('h4', { textContent: 'Request body' }), table(body)] : []),
    answer
      ? make(
          'details',
          {},
          make('summary', { textContent: streams(answer) ? 'Each event' : 'Response' }),
          table(content(answer)),
        )
      : undefined,
  );
}

/** What this installation is, and whether all of it is there. */
async function facts() {
  const [begin, health] = await Promise.all([get('/.well-known/writ'), get('/health/ready')]);
  const services = [{ name: 'gateway', replicas: 1 }, ...health.services].map(({ name, replicas }) =>
    make('span', { className: replicas > 0 ? 'up' : 'down', textContent: replicas > 0 ? name : `${name} (down)` }),
  );
  const fact = (name, ...value) => [make('dt', { textContent: name }), make('dd', {}, ...value)];
  const code = (textContent) => make('code', { textContent });
  return make(
    'dl',
    {},
    ...fact('Services', ...services),
    ...fact('Durability', `${health.durability} (nats-server ${health.natsServer})`),
    ...fact('Tokens', code(begin.issuer), ' for ', code(begin.audience)),
    ...fact('gRPC', code(begin.grpc), ', with reflection'),
    ...fact('MCP', code(begin.mcp)),
  );
}

const main = document.querySelector('main');
const nav = document.querySelector('nav');
const lead = make(
  'p',
  { className: 'lead' },
  'Every method over REST; the same methods over gRPC. A refusal is problem details (RFC 9457) with a code that never changes. ',
  make('a', { href: '/openapi.json', textContent: 'OpenAPI 3.1 document' }),
);
main.replaceChildren(make('h1', { textContent: 'Writ API' }), lead);

const operations = Object.entries(paths).flatMap(([path, item]) =>
  VERBS.filter((verb) => item[verb]).map((verb) => ({ path, verb, operation: item[verb] })),
);
for (const { name, description = '' } of tags) {
  const methods = operations.filter(({ operation }) => operation.tags?.[0] === name);
  const note = methods.length > 0 ? description : `${description} Over gRPC only.`;
  main.append(
    make(
      'section',
      {},
      make('h2', { textContent: titleOf(name) }),
      make('p', { textContent: note }),
      ...methods.map(({ path, verb, operation }) => method(path, verb, operation)),
    ),
  );
  if (methods.length === 0) continue;
  const links = methods.map(({ path, verb, operation }) =>
    make(
      'a',
      { href: `#${operation.operationId}`, title: operation.summary ?? '' },
      make('span', { className: `verb ${verb}`, textContent: verb.toUpperCase() }),
      make('span', { textContent: path.replace('/v1', '') }),
    ),
  );
  nav.append(make('section', {}, make('h2', { textContent: titleOf(name) }), ...links));
}
lead.after(await facts());

document.querySelector('input').addEventListener('input', ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  for (const section of nav.querySelectorAll('section')) {
    for (const link of section.querySelectorAll('a'))
      link.hidden = !`${link.textContent} ${link.title} ${link.hash}`.toLowerCase().includes(wanted);
    section.hidden = section.querySelector('a:not([hidden])') === null;
  }
});
// What was linked to did not exist while the page was loading.
if (location.hash.length > 1) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
