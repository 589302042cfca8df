/** One replica of a service of things, as a process of its own: `node ledger-replica.ts <nats url> <service> <partitions> <copies>`. */
import { Ledger, type Logger } from '@writ/ledger';
import { thingModel } from '../bench/ledger-thing.js';

const [servers = '', service = '', partitions = '1', copies = '1'] = process.argv.slice(2);
const say = (fields: object, message: string): void => console.log(`${message} ${JSON.stringify(fields)}`);
const log: Logger = { debug: () => undefined, info: say, warn: say, error: say };
const ledger = await Ledger.connect({ servers, log, streamReplicas: Number(copies) });
const host = await ledger.host({ service, partitions: Number(partitions), model: thingModel() });
await host.ready;
console.log('ready');
process.once('SIGTERM', () => void ledger.drain().then(() => process.exit(0)));
