/**
 * Owns one partition of things that change: `node ledger-owner.ts <nats url> <service> <version of the model>`.
 * Another version than the one that wrote the newest snapshot reads the log from its start.
 */
import { Ledger, type Logger } from '@writ/ledger';
import { thingModel } from './ledger-thing.js';

const [servers = '', service = '', version = '1'] = process.argv.slice(2);
const quiet = (): void => undefined;
const log: Logger = {
  debug: quiet,
  info: (fields, message) => void (message === 'partition owned' && console.log(`owned ${JSON.stringify(fields)}`)),
  warn: quiet,
  error: (fields, message) => console.error(message, fields),
};
const ledger = await Ledger.connect({ servers, log });
await ledger.host({ service, partitions: 1, model: thingModel(Number(version)) });
process.once('SIGTERM', () => void ledger.drain().then(() => process.exit(0)));
