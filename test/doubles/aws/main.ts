// The AWS plugin double. The engine starts it like any plugin: the only argument is the address of the engine, and the first
// line of output is the port. The SDK's own server implements the provider protocol.
import { main } from '@pulumi/pulumi/provider/server.js';
import { mkdirSync } from 'node:fs';
import { CONTROL_VARIABLE } from './faults.ts';
import { createProvider } from './provider.ts';

/** How often the plugin checks whether its engine has exited. */
const ENGINE_CHECK_MS = 250;

const folder = process.env[CONTROL_VARIABLE];
if (folder === undefined)
  throw new Error(`the cloud double needs ${CONTROL_VARIABLE}: start it through test/support/cloud.ts`);
mkdirSync(folder, { recursive: true });

const { provider, busy } = createProvider(folder);
// Like the real plugin, it continues its work when the reader of its output is gone. An interrupt ends it when it is idle.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (!busy()) process.exit(0);
  });

// Like the real plugin, it finishes its current calls when its engine has exited, and then exits.
const engine = process.ppid;
setInterval(() => {
  if (process.ppid !== engine && !busy()) process.exit(0);
}, ENGINE_CHECK_MS);

await main(provider, process.argv.slice(2));
