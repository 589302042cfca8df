/** A runner to be killed: two sandboxes with processes that try to outlive it. Says which host users they are. */
import { openNamespaceDriver } from '../isolation/namespace/open.js';
import { sh } from './probe.js';

const limits = { memoryMib: 64, processes: 20, cpuMilli: 1000, diskMib: 32 };
const driver = await openNamespaceDriver({ folder: process.argv[2] as string, limits, volumeMib: 16, ready: 0 });
const sandboxes = await Promise.all(['sbx_1', 'sbx_2'].map((id) => driver.create({ id, limits, mounts: [] })));
for (const sandbox of sandboxes) await sh(sandbox, "trap '' HUP TERM INT; (setsid sleep 1000 &); sleep 1000 & echo up");
process.stdout.write(`uids ${JSON.stringify(sandboxes.map(({ uid }) => uid))}\n`);
setInterval(() => undefined, 1000);
