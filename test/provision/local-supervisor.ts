// The part of an allocator that supervises local VMs, as a process that tests can kill. It starts the existing VMs, launches
// the VMs that its arguments name, destroys them if asked, and sends each step to its parent over IPC.
import { createLog } from '../../src/log.ts';
import { createLocalProvider } from '../../src/provision/local/local-provider.ts';
import type { ProvisionReport } from '../../src/provision/provider.ts';

export type SupervisorMessage = {
  readonly kind: 'started' | 'made' | 'launched' | 'gone' | 'destroyed';
  readonly hostname?: string;
};

const [dataDir = '', allocatorUrl = '', authorizedKey = '', names = '', end = ''] = process.argv.slice(2);
const send = (message: SupervisorMessage): Promise<void> => {
  process.send?.(message);
  return Promise.resolve();
};
const provider = createLocalProvider({
  dataDir,
  allocatorUrl: () => allocatorUrl,
  authorizedKey,
  software: null,
  log: createLog({ level: 'silent' }),
  onLost: () => Promise.resolve(),
  onMoved: () => Promise.resolve(),
  limits: { startsAtOnce: 2 },
});
const report: ProvisionReport = {
  event: () => undefined,
  created: (hostname) => send({ kind: 'made', hostname }),
  failed: () => Promise.resolve(),
  gone: (hostname) => send({ kind: 'gone', hostname }),
  kept: () => Promise.resolve(),
};
const NEVER = new AbortController().signal;

await provider.start();
await send({ kind: 'started' });
const vms = names.split(',').map((hostname) => ({ hostname, token: `token-of-${hostname}` }));
await provider.launch({ operationId: 'the-launch', shutdownAt: null, vms }, report, NEVER, NEVER);
await send({ kind: 'launched' });
if (end === 'destroy') {
  await provider.destroy('all', report, NEVER, NEVER);
  await send({ kind: 'destroyed' });
}
