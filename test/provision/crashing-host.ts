// The process of local VMs with a fault in the code of the agents: an agent whose machine's folder has a file `crash` throws outside
// of every promise with each request, and one with a file `hang` never gives the processor back.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = dirname(process.argv.at(-1)!.replace('--local-vm=', ''));
const { fetch } = globalThis;

globalThis.fetch = (input, init) => {
  const token = input instanceof Request ? input.headers.get('Authorization') : null;
  const hostname = token?.replace('Bearer token-of-', '') ?? '';
  const has = (fault: string): boolean => existsSync(join(root, hostname, fault));
  if (has('crash'))
    setTimeout(() => {
      throw new Error('the agent has a bug');
    });
  // eslint-disable-next-line no-empty -- it waits for the file
  while (has('hang')) {}
  return fetch(input, init);
};

await import('../../src/provision/local/host-main.ts');
