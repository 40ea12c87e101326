// The AWS plugin double: the SDK's own server speaks the provider protocol. Started like a plugin: it gets the address of the
// engine and prints its port.
import { main } from '@pulumi/pulumi/provider/server.js';
import { mkdirSync } from 'node:fs';
import { CONTROL_VARIABLE } from './faults.ts';
import { createProvider } from './provider.ts';

/** How often an orphan looks whether it is one. */
const ORPHAN_CHECK_MS = 250;

const folder = process.env[CONTROL_VARIABLE];
if (folder === undefined)
  throw new Error(`the cloud double needs ${CONTROL_VARIABLE}: start it through test/support/cloud.ts`);
mkdirSync(folder, { recursive: true });

const { provider, busy } = createProvider(folder);
// Whoever reads our output may be gone; what is under way goes on, as with the real plugin.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

// As the real plugin does: when its engine is gone, it finishes what it is doing and ends.
const engine = process.ppid;
setInterval(() => {
  if (process.ppid !== engine && !busy()) process.exit(0);
}, ORPHAN_CHECK_MS);

await main(provider, process.argv.slice(2));
