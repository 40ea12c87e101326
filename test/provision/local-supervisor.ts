// An allocator, as far as local VMs see one, to be killed: brings back what is there, launches the machines that it is
// told, destroys them all where it is told that. Says over IPC what it has done.
import { createLog } from '../../src/log.ts';
import { createLocalProvider } from '../../src/provision/local/local-provider.ts';
import type { ProvisionReport } from '../../src/provision/provider.ts';

export type Said = {
  readonly kind: 'started' | 'made' | 'launched' | 'gone' | 'destroyed';
  readonly hostname?: string;
};

const [dataDir = '', allocatorUrl = '', authorizedKey = '', names = '', end = ''] = process.argv.slice(2);
const say = (said: Said): Promise<void> => {
  process.send?.(said);
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
  created: (hostname) => say({ kind: 'made', hostname }),
  failed: () => Promise.resolve(),
  gone: (hostname) => say({ kind: 'gone', hostname }),
};
const never = new AbortController().signal;

await provider.start();
await say({ kind: 'started' });
const vms = names.split(',').map((hostname) => ({ hostname, token: `token-of-${hostname}` }));
await provider.launch({ operationId: 'the-launch', shutdownAt: null, vms }, report, never, never);
await say({ kind: 'launched' });
if (end === 'destroy') {
  await provider.destroy('all', report, never, never);
  await say({ kind: 'destroyed' });
}
