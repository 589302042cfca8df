import { flag, list, number, one, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./audit.actions.js');

const filters = {
  run: text('<id>', 'only of this run'),
  agent: text('<id>', 'only of this agent'),
  from: text('<time>', 'not before: 2026-11-23T08:00:00Z, or 90m, 2d ago'),
  to: text('<time>', 'not after'),
};

/** `writ audit …` */
export const audit: Noun = {
  name: 'audit',
  about: 'the record: what happened, and the proof of it',
  verbs: [
    verb({
      name: 'search',
      about: 'search the events of the project, newest first',
      options: {
        ...filters,
        type: text('<type>', 'exact, or a prefix that ends in *: action.*'),
        subject: text('<id>', 'only about this thing'),
        ascending: flag('oldest first'),
        limit: number('<n>', 'at most this many; default 50'),
        pageToken: text('<token>', 'go on after an earlier page'),
      },
      examples: ["audit search --run run_… --type 'action.*'", 'audit search --agent agt_… --from 2d -o jsonl'],
      act: async (call, _given, options) => (await actions()).search(call, options),
    }),
    verb({
      name: 'show',
      about: 'show one event with its place in the record',
      arguments: { id: one('id of the event') },
      examples: ['audit show evt_…', 'audit show evt_… --json'],
      act: async (call, { id }) => (await actions()).show(call, id),
    }),
    verb({
      name: 'export',
      about: 'export events with their proofs and a signed checkpoint, to be verified offline',
      options: { ...filters, out: text('<file>', 'default: stdout') },
      examples: ['audit export --run run_… --out run.bundle.json', 'audit export --from 1d > day.bundle.json'],
      act: async (call, _given, options) => (await import('./bundle.actions.js')).exportBundle(call, options),
    }),
    verb({
      name: 'verify',
      about: 'verify an exported bundle, or an archive of runs: nothing is asked and no server is trusted',
      more: [
        'It checks that the checkpoint is signed by --log-key and every --witness, and that every event is in that tree;',
        'of an archive also that it is complete, and that every value is the one to which an event refers.',
        'Get the key once, by a way that you trust; `writ status` shows the one that the server says.',
        'Exit 10 if anything does not hold.',
      ].join('\n'),
      arguments: { bundle: one('file, folder of an archive, or - for stdin') },
      options: {
        logKey: text(
          '<key>',
          "verifier key of the log, '<name>+<id>+<base64>' or @file; with --online default: the server's",
        ),
        witness: list('<key>', 'verifier key of a witness whose signature must be there, too; repeat it'),
        online: flag('also let the server compare its whole record with every partition of the ledger'),
      },
      examples: [
        'audit verify run.bundle.json --log-key @writ.pub',
        'audit verify old-runs --log-key @writ.pub',
        'audit verify run.bundle.json --online',
      ],
      act: async (call, { bundle }, options) =>
        (await import('./bundle.actions.js')).verifyBundle(call, bundle, options),
    }),
    verb({
      name: 'check',
      about: 'let audit read the whole ledger and compare it with the record',
      more: 'It names every commit that is missing, changed, inserted, moved or cut off. Exit 10 if there is one.',
      examples: ['audit check', 'audit check --json | jq ".integrity.problems[]"'],
      act: async (call) => (await import('./check.actions.js')).check(call),
    }),
    verb({
      name: 'witness',
      about: 'check that the log has only grown since the checkpoint that you keep, and keep the newest one',
      more: [
        'Run it from time to time on a machine that whoever administers Writ does not administer: it notices what nothing',
        'inside can, a whole installation that was set back. It needs no identity. Exit 10 if the log contradicts itself;',
        'the checkpoint that was kept then stays, as evidence.',
      ].join('\n'),
      options: {
        file: text('<file>', 'where the checkpoint is kept; default writ-witness.json'),
        logKey: text('<key>', 'verifier key of the log, or @file; default: the one of the first time'),
      },
      examples: ['audit witness --url https://writ.example --file /var/lib/witness/writ.json --log-key @writ.pub'],
      act: async (call, _given, options) => (await import('./witness.actions.js')).keepWitness(call, options),
    }),
  ],
};
