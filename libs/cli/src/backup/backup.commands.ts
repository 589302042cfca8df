import { one, text, verb } from '../command/command.js';

const options = { data: text('<folder>', 'data folder of the stack; default .writ') };

/** `writ backup` */
export const backup = verb({
  name: 'backup',
  about: 'save a running installation: ledger, blobs, keys, repositories, volumes',
  more: [
    'Nothing is stopped. The ledger is cut at one moment by the clock of the broker, so that no effect is in it without its',
    'cause; every commit is checked against the one before it. Only the user that the stack runs as can do this.',
    'A broker of its own is named by WRIT_NATS_URL, WRIT_NATS_USER and WRIT_NATS_PASS.',
    'The backup holds private keys: it is readable by this user only, and should stay so.',
  ].join('\n'),
  arguments: { folder: one('where to; it must be empty, or not there') },
  options,
  examples: ['backup /mnt/backups/$(date +%F)', 'backup /mnt/backups/today --data /var/lib/writ'],
  act: async (call, { folder }, given) => (await import('./backup.actions.js')).backup(call, folder, given),
});

/** `writ restore` */
export const restore = verb({
  name: 'restore',
  about: 'make an installation again out of a backup',
  more: [
    'Into a data folder that is empty or not there, and with WRIT_NATS_URL into a broker that has no ledger. The whole backup is',
    'read and checked before anything is written. Commits come back byte by byte under their numbers; views are built',
    'again at the first start. Never start the old installation again beside it.',
  ].join('\n'),
  arguments: { backup: one('folder that `writ backup` has made') },
  options,
  examples: ['restore /mnt/backups/2026-11-23 --data /var/lib/writ'],
  act: async (call, given, chosen) => (await import('./restore.actions.js')).restore(call, given.backup, chosen),
});
