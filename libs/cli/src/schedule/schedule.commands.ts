import { choice, flag, needed, number, one, optional, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./schedule.actions.js');
const id = one('id of the schedule');
const overlaps = ['skip', 'buffer', 'allow', 'cancel'] as const;

const definition = {
  cron: text('<pattern>', "'minute hour day month weekday', with seconds in front, or @daily"),
  every: text('<duration>', 'instead of cron: 30s, 15m, 6h, 1d'),
  timeZone: text('<name>', 'of cron, such as Europe/Berlin; default UTC'),
  from: text('<time>', 'no time before this one'),
  until: text('<time>', 'no time after this one'),
  jitter: text('<duration>', 'start up to this much later, to spread many'),
  overlap: choice(overlaps, 'when the run before goes on; default skip'),
  catchUp: text('<duration>', 'make up for missed times that are no older; default 1h'),
  input: text('<json>', 'input: JSON, @file, or - for stdin'),
  queue: text('<name>', 'queue of workers; default: default'),
  key: text('<text>', 'of its runs, in a queue with limits; default: what the queue takes from the input'),
  priority: number('<n>', 'of its runs, in a queue with limits, -9 to 9: the higher goes first'),
  pin: text('<version>', 'only workers of this version of the workflow get its runs'),
  agent: text('<id>', 'agent that the runs act as; people and operators must name one'),
  note: text('<text>', 'what it is for'),
};

/** `writ schedule …` */
export const schedule: Noun = {
  name: 'schedule',
  about: 'runs that start at times of their own',
  verbs: [
    verb({
      name: 'create',
      about: 'start a run of a workflow at these times',
      more: 'A time of day that the clocks skip runs at the first moment after; one that comes twice runs once.',
      arguments: { workflow: one('name of the workflow') },
      options: { id: text('<id>', 'the ids of its runs begin with it; default: made'), ...definition },
      examples: [
        "schedule create report --id daily-report --cron '0 9 * * MON-FRI' --time-zone Europe/Berlin --agent agt_…",
        'schedule create sweep --every 15m --overlap cancel --catch-up 0s',
      ],
      act: async (call, { workflow }, options) => (await actions()).create(call, workflow, options),
    }),
    verb({
      name: 'list',
      about: 'list schedules with their next times',
      options: {
        workflow: text('<name>', 'only of this workflow'),
        limit: number('<n>', 'at most this many; default 50'),
        pageToken: text('<token>', 'go on after an earlier page'),
      },
      examples: ['schedule list', 'schedule list --workflow report -o name'],
      act: async (call, _given, options) => (await actions()).list(call, options),
    }),
    verb({
      name: 'get',
      about: 'show one schedule, its next times and its last runs',
      arguments: { id },
      examples: ['schedule get daily-report'],
      act: async (call, given) => (await actions()).get(call, given.id),
    }),
    verb({
      name: 'pause',
      about: 'start nothing more at its times, until it is resumed',
      arguments: { id },
      options: { reason: needed('<text>', 'why; it is in the record') },
      examples: ["schedule pause daily-report --reason 'year-end closing'"],
      act: async (call, given, { reason }) => (await actions()).pause(call, given.id, reason),
    }),
    verb({
      name: 'resume',
      about: 'go on with the next time',
      more: 'Times that passed during the pause are not made up for: see `writ schedule backfill`.',
      arguments: { id },
      options: { reason: text('<text>', 'why; it is in the record') },
      examples: ['schedule resume daily-report'],
      act: async (call, given, { reason }) => (await actions()).resume(call, given.id, reason),
    }),
    verb({
      name: 'trigger',
      about: 'start a run now, also of a paused schedule',
      arguments: { id },
      options: { overlap: choice(overlaps, 'when a run goes on; default: as the schedule says') },
      examples: ['schedule trigger daily-report'],
      act: async (call, given, { overlap }) => (await actions()).trigger(call, given.id, overlap),
    }),
    verb({
      name: 'backfill',
      about: 'start the runs of times that have passed',
      more: 'One after another, unless --parallel. A time that has its run keeps it.',
      arguments: { id },
      options: {
        from: needed('<time>', 'first moment'),
        until: text('<time>', 'the moment after the last; default now'),
        parallel: flag('all at once'),
      },
      examples: ['schedule backfill daily-report --from 2026-11-01', 'schedule backfill sweep --from 6h --parallel'],
      act: async (call, given, options) => (await actions()).backfill(call, given.id, options),
    }),
    verb({
      name: 'update',
      about: 'change what is given here; the rest stays',
      more: 'From then on runs start by the right of whoever updated it.',
      arguments: { id, workflow: optional('name of another workflow') },
      options: definition,
      examples: ["schedule update daily-report --cron '30 8 * * MON-FRI'"],
      act: async (call, given, options) => (await actions()).update(call, given.id, given.workflow, options),
    }),
    verb({
      name: 'delete',
      about: 'remove a schedule; its runs go on',
      arguments: { id },
      examples: ['schedule delete daily-report'],
      act: async (call, given) => (await actions()).remove(call, given.id),
    }),
  ],
};
