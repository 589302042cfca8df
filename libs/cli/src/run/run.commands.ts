import { choice, flag, list, needed, number, one, optional, text, verb, type Noun } from '../command/command.js';
import { Refused } from '../failure/refused.js';

const actions = () => import('./run.actions.js');
const batches = () => import('../batch/batch.actions.js');
const id = one('id of the run');
const maybe = optional('id of the run; or --filter');
const filter = text('<filter>', 'AIP-160, such as: state = "waiting" AND attributes.customer = "acme"');
/** Of what is done to one run, or to all that a filter finds. */
const many = { filter, dryRun: flag('with --filter: say how many it would be, and do nothing') };

/** `writ run …` */
export const run: Noun = {
  name: 'run',
  about: 'durable workflows that are or were executed',
  verbs: [
    verb({
      name: 'start',
      about: 'start a run of a workflow',
      more:
        'Prints the id. The same --id with the same input gives the same run, so a repeat is harmless. With --file a run for each ' +
        'line, {"id":…,"input":…} and what the options say; each is started or refused by itself, and one refusal makes it exit 8.',
      arguments: { workflow: optional('name of the workflow; with --file a line may name another') },
      options: {
        input: text('<json>', 'input: JSON, @file, or - for stdin'),
        id: text('<id>', 'chosen by you; default: made'),
        onConflict: choice(['fail', 'attach'], 'when the id is taken; default fail'),
        queue: text('<name>', 'queue of workers; default: default'),
        key: text('<text>', 'of its place in a queue with limits; default: what the queue takes from the input'),
        priority: number('<n>', 'in a queue with limits, -9 to 9: the higher goes first'),
        agent: text('<id>', 'agent that the run acts as; people and operators must name one'),
        at: text('<time>', 'not before this time'),
        limits: text(
          '<limits>',
          'what it and all that it starts may spend: usd=2.5,tokens=100000,toolCalls=20,children=5,time=2h',
        ),
        fork: text('<run>', 'begin with the record of this run; without --input, with its input'),
        after: text('<step>', 'with --fork: up to and with this step, call or wait, such as load/1; default: all'),
        file: text('<file>', 'start many: a file with one JSON object a line, or - for stdin'),
        send: text(
          '<message>',
          'a message that goes with the start, also to the run that is there; --data is what it says',
        ),
        data: text('<json>', 'of --send: JSON, @file, or - for stdin'),
        wait: flag('wait for the end and print the result; exit 8 if it ended badly'),
        watch: flag('show what happens until the end; exit 8 if it ended badly'),
      },
      examples: [
        'run start hello --input \'{"name":"Ada"}\' --watch',
        'run start review --file reviews.ndjson -o name',
        'run start review --fork run_… --after load/1 --input @other.json',
        'run start review --input @review.json --id review-42 --on-conflict attach --wait --json',
      ],
      act: async (call, { workflow }, { file, ...options }) => {
        if (file !== undefined) {
          const { id, input, wait, watch, fork, after, send, data, ...all } = options;
          if (
            id !== undefined ||
            input !== undefined ||
            wait ||
            watch ||
            fork !== undefined ||
            after !== undefined ||
            send !== undefined ||
            data !== undefined
          )
            throw new Refused(
              'cli.usage',
              '--id, --input, --fork, --send, --wait and --watch are of one run, not of a --file of them',
            );
          return (await import('./run.many.js')).startMany(call, workflow, file, all);
        }
        if (workflow === undefined) throw new Refused('cli.usage', 'name the workflow, or a --file of runs');
        return (await actions()).start(call, workflow, options);
      },
    }),
    verb({
      name: 'get',
      about: 'show one run',
      arguments: { id },
      options: { result: flag('its result or error instead, once it has ended') },
      examples: ['run get run_…', 'run get review-42 --result --json'],
      act: async (call, given, { result }) => {
        const { get, getResult } = await actions();
        return result ? getResult(call, given.id) : get(call, given.id);
      },
    }),
    verb({
      name: 'result',
      about: 'write the result of a run to stdout, of any size',
      more: 'What a step gave as a stream comes as the bytes that it gave; everything else as the JSON that is recorded.',
      arguments: { id },
      options: { stored: text('<hash>', 'only this of what the result refers to: the hash of a {"$stored": …} in it') },
      examples: ['run result run_… > film.mp4', 'run result review-42 | jq .summary'],
      act: async (call, given, { stored }) => (await import('./run.result.js')).result(call, given.id, stored),
    }),
    verb({
      name: 'budget',
      about: 'show what a run may spend, has spent and has reserved; or grant it more',
      more: 'What waits for more goes on. A share of a larger budget grows together with that.',
      arguments: { id },
      options: { add: text('<limits>', 'how much more: usd=2.5,tokens=100000,toolCalls=20,children=5,time=2h') },
      examples: ['run budget run_…', 'run budget run_… --add toolCalls=20,usd=1'],
      act: async (call, given, { add }) => (await import('./run.budget.js')).budget(call, given.id, add),
    }),
    verb({
      name: 'why',
      about: 'say why a run is not going on, since when, and what it waits for',
      arguments: { id },
      examples: ['run why run_…'],
      act: async (call, given) => (await import('./run.why.js')).why(call, given.id),
    }),
    verb({
      name: 'list',
      about: 'list runs, newest first',
      options: {
        state: choice(['queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled'], 'only in this state'),
        workflow: text('<name>', 'only of this workflow'),
        filter,
        orderBy: text('<order>', 'create_time desc (default), create_time, attributes.<key>, attributes.<key> desc'),
        count: flag('how many there are instead'),
        by: text('<field>', 'with --count: how many of each state, workflow, queue or attributes.<key>'),
        limit: number('<n>', 'at most this many; default 50'),
        pageToken: text('<token>', 'go on after an earlier page'),
      },
      examples: [
        'run list --state waiting',
        "run list --filter 'attributes.customer = \"acme\" AND create_time > 2026-11-01' --order-by 'attributes.amount desc'",
        'run list --workflow review --count --by state',
        'run list --workflow review -o name',
        'run list --json | jq ".runs[].id"',
      ],
      act: async (call, _given, { count, by, ...options }) => {
        if (by !== undefined && !count) throw new Refused('cli.usage', '--by is for --count');
        return count ? (await actions()).count(call, options, by ?? '') : (await actions()).list(call, options);
      },
    }),
    verb({
      name: 'watch',
      about: 'show the events of a run from its first one, live, until it ends',
      more: 'Exit 0 if it succeeded, 8 if it failed or was cancelled. With --json one event a line.',
      arguments: { id },
      examples: ['run watch run_…', 'run watch run_… --json | jq -r .type'],
      act: async (call, given) => (await import('./run.watch.js')).watch(call, given.id),
    }),
    verb({
      name: 'follow',
      about: 'show what the steps of a run write (tokens, log lines), live, until it ends',
      more:
        'Begins with the first that is still held; with --after behind a cursor, which --json prints. What a failed attempt wrote is superseded, and ' +
        'said so. Exit 0 if the run succeeded, 8 if it failed or was cancelled.',
      arguments: { id },
      options: { after: text('<cursor>', 'go on behind this cursor') },
      examples: ['run follow run_…', 'run follow run_… --json | jq -r .cursor'],
      act: async (call, given, options) => (await import('./run.follow.js')).follow(call, given.id, options),
    }),
    verb({
      name: 'send',
      about: 'send a message to a run, or to all that a filter finds: kept in order until the run takes it',
      arguments: {
        id: one('id of the run; with --filter the name of the message'),
        message: optional('name of the message'),
      },
      options: {
        data: text('<json>', 'JSON, @file, or - for stdin'),
        idempotencyKey: text('<key>', 'makes a repeat harmless'),
        ...many,
      },
      examples: [
        'run send run_… approve --data true',
        "run send approve --filter 'workflow = review AND state = waiting'",
      ],
      act: async (call, { id: first, message: second }, { filter: of, dryRun, idempotencyKey, data }) => {
        const [id, message] = of === undefined ? [first, second] : [second, first];
        if (message === undefined) throw new Refused('cli.usage', 'name the message');
        const { begin, oneOrMany } = await batches();
        if (oneOrMany(id, { filter: of, dryRun }) === 'many')
          return begin(call, 'send', { filter: of, dryRun, data }, message);
        return (await actions()).send(call, id as string, message, { data, idempotencyKey });
      },
    }),
    verb({
      name: 'query',
      about: 'ask a run something that it answers at once; nothing is recorded',
      more: 'It is answered where the run lives, else by a replay of its record, also when it has ended. That needs a worker with its code.',
      arguments: { id, query: one('name of the query') },
      options: { data: text('<json>', 'JSON, @file, or - for stdin') },
      examples: ['run query run_… balance', 'run query run_… above --data 100'],
      act: async (call, given, options) => (await import('./run.ask.js')).query(call, given.id, given.query, options),
    }),
    verb({
      name: 'update',
      about: 'have a run do something, and wait for its answer',
      more:
        'The code of the run accepts it or refuses it (exit 2) before anything is recorded. The same --idempotency-key is the same update, done once. ' +
        'Exit 8 if it was accepted and failed.',
      arguments: { id, update: one('name of the update') },
      options: {
        data: text('<json>', 'JSON, @file, or - for stdin'),
        idempotencyKey: text('<key>', 'makes a repeat harmless'),
      },
      examples: ['run update run_… withdraw --data \'{"cents":80}\''],
      act: async (call, given, options) => (await import('./run.ask.js')).update(call, given.id, given.update, options),
    }),
    verb({
      name: 'cancel',
      about: 'stop a run and all that it owns, or all runs that a filter finds',
      arguments: { id: maybe },
      options: {
        reason: needed('<text>', 'why; it is in the record'),
        force: flag('do not wait for its clean-up'),
        ...many,
      },
      examples: [
        "run cancel run_… --reason 'wrong branch'",
        "run cancel --filter 'workflow = review AND state = waiting' --reason 'wrong branch' --dry-run",
      ],
      act: async (call, given, options) => {
        const { begin, oneOrMany } = await batches();
        if (oneOrMany(given.id, options) === 'many') return begin(call, 'cancel', options);
        return (await actions()).cancel(call, given.id as string, options);
      },
    }),
    verb({
      name: 'pause',
      about: 'hand a run, or all that a filter finds, to no worker until it is resumed',
      more: 'What is under way is given up and made anew then; messages are kept, timers run on.',
      arguments: { id: maybe },
      options: { reason: needed('<text>', 'why; it is in the record'), ...many },
      examples: [
        "run pause run_… --reason 'the tracker is down'",
        "run pause --filter 'attributes.tracker = jira' --reason 'the tracker is down'",
      ],
      act: async (call, given, options) => {
        const { begin, oneOrMany } = await batches();
        if (oneOrMany(given.id, options) === 'many') return begin(call, 'pause', options);
        return (await actions()).pause(call, given.id as string, options.reason);
      },
    }),
    verb({
      name: 'resume',
      about: 'let a run go on that was paused, whose code diverged, or of which a step has no attempt left',
      more: 'Repair the cause first: workers whose code takes the way of the record, or what the step needs. A step is tried anew, by its policy.',
      arguments: { id: maybe },
      options: many,
      examples: ['run resume run_…', "run resume --filter 'attributes.tracker = jira'"],
      act: async (call, given, options) => {
        const { begin, oneOrMany } = await batches();
        if (oneOrMany(given.id, options) === 'many') return begin(call, 'resume', options);
        return (await actions()).resume(call, given.id as string);
      },
    }),
    verb({
      name: 'pin',
      about: 'give a run to workers of one version of its workflow alone',
      more: 'It moves if another worker has it; what is under way there is made anew. A paused run also needs `writ run resume`.',
      arguments: { id, version: optional('as the workers announce it; none: whichever workers there are') },
      examples: ['run pin run_… 2026-11', 'run pin run_…'],
      act: async (call, given) => (await actions()).pin(call, given.id, given.version),
    }),
    verb({
      name: 'restart',
      about: 'let a run that has ended, or is paused, go on from a step, by the code that the workers have now',
      more:
        'What was recorded before the step is kept, what follows is done anew; messages that came are there again. Says which effects may happen once ' +
        'more: nothing of them is taken back.',
      arguments: { id },
      options: {
        from: needed('<step>', 'the first step, call or wait that is done anew, such as charge/1'),
        reason: text('<text>', 'why; it is in the record'),
      },
      examples: ["run restart run_… --from charge/1 --reason 'tariff mended'"],
      act: async (call, given, options) => (await actions()).restart(call, given.id, options),
    }),
    verb({
      name: 'delete',
      about: 'hide a run that has ended, or all that a filter finds; the record stays',
      more: 'It is in no list and no count any more, and whoever asks for it is told so. Its id stays taken.',
      arguments: { id: maybe },
      options: { reason: needed('<text>', 'why; it is in the record'), ...many },
      examples: [
        "run delete run_… --reason 'a test'",
        "run delete --filter 'state = succeeded AND create_time < 2026-01-01 AND end_time < 2026-01-01' --reason old",
      ],
      act: async (call, given, options) => {
        const { begin, oneOrMany } = await batches();
        if (oneOrMany(given.id, options) === 'many') return begin(call, 'delete', options);
        return (await actions()).remove(call, given.id as string, options.reason);
      },
    }),
    verb({
      name: 'archive',
      about: 'write all that is recorded of the runs that a filter finds into a folder, verifiable without a server',
      more: [
        'Of those that have ended: every event with its proof, and the values that are too large for events. `writ audit verify` checks the whole of it.',
        'With --delete they are deleted when all of it is on the disk; the reason, which is in the record, names the archive by its digest.',
      ].join('\n'),
      arguments: { folder: one('new or empty') },
      options: {
        filter: needed('<conditions>', 'as of `run list`'),
        delete: flag('then delete them here'),
      },
      examples: [
        "run archive old-runs --filter 'create_time < 2026-01-01'",
        "run archive old-runs --filter 'workflow = review AND end_time < 2026-01-01' --delete",
      ],
      act: async (call, { folder }, options) => (await import('../archive/write.js')).archive(call, folder, options),
    }),
    verb({
      name: 'replay',
      about: 'execute a run again from its record alone, without any effect, and compare',
      more: 'Exit 10 if it takes another way than the record.',
      arguments: { id },
      examples: ['run replay run_…'],
      act: async (call, given) => (await actions()).replay(call, given.id),
    }),
    verb({
      name: 'check',
      about: 'replay recorded runs on the code of a worker, before it is deployed, and say which would diverge',
      more:
        'Loads the file, replays a sample of each workflow that it exports or serves, and performs nothing. Runs that go on come first, ended ones fill ' +
        'the sample up. With --from no installation is needed: CI checks what --save wrote. Exit 10 if a run would diverge.',
      arguments: { file: one('program of the worker, such as worker.ts') },
      options: {
        sample: number('<n>', 'runs of each workflow; default 20'),
        open: flag('only runs that go on'),
        run: list('<id>', 'this run instead of a sample; again for more'),
        from: text('<path>', 'histories that --save wrote: a file, or a folder of them'),
        save: text('<folder>', 'write the histories there, one JSON file a run; they hold inputs and results'),
      },
      examples: [
        'run check worker.ts',
        'run check worker.ts --sample 100 --save histories',
        'run check worker.ts --from histories --json',
      ],
      act: async (call, { file }, options) => (await import('./run.check.js')).check(call, file, options),
    }),
  ],
};
