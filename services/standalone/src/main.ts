import { readConfig, usage, type Config } from './config.js';
import { inProcesses } from './service-process.js';
import { inThisProcess } from './services.js';
import { startStack } from './stack.js';

function configuration(): Config {
  try {
    return readConfig(process.argv.slice(2), process.env);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}

/** What went wrong is a sentence; where in the code it went wrong is for who asks for it. */
function giveUp(error: unknown): never {
  const { message, stack = message } = error instanceof Error ? error : new Error(String(error));
  const detailed = config.logLevel === 'debug' || config.logLevel === 'trace';
  process.stderr.write(`Writ did not start: ${detailed ? stack : message}\n`);
  process.exit(1);
}

const config = configuration();
if (config.help) {
  process.stdout.write(usage);
  process.exit(0);
}

const began = performance.now();
const say = config.json ? () => {} : (line: string) => process.stderr.write(`  ${line}\n`);
const starting = startStack(config, config.processes ? inProcesses : inThisProcess, say).catch(giveUp);

// Heard from the beginning: who is told to stop while it starts first comes to know what there is to stop.
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (stopping) process.exit(130); // the second Ctrl-C does not wait
    stopping = true;
    say('stopping: finishing what is in flight');
    starting
      .then(({ stop }) => stop())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          process.stderr.write(`stopped with an error: ${error instanceof Error ? error.message : String(error)}\n`);
          process.exit(1);
        },
      );
  });

const stack = await starting;
const bootMs = Math.round(performance.now() - began);

const { stop: _stop, ...ready } = stack;
if (config.json) process.stdout.write(`${JSON.stringify({ ready: { ...ready, bootMs, pid: process.pid } })}\n`);
else
  process.stdout.write(`
  Writ is ready after ${(bootMs / 1000).toFixed(1)} s            data ${config.dataDir} (kept)

    api         ${stack.url}/v1            read it at ${stack.url}/
    grpc        ${stack.grpc}
    mcp         ${stack.url}/mcp
    durability  ${stack.durability} (nats-server ${stack.natsServer})
    try         WRIT_URL=${stack.url} WRIT_KEY_FILE=${stack.operatorKeyFile} npx writ status

  Ctrl-C stops it.
`);
