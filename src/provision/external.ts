// The provider of machines that come by themselves: it makes none and ends none, and says so.
import type { Provider, ProvisionResult } from './provider.ts';

const NOT_OURS = {
  problem: 'This server launches no machines: its machines come by themselves (PROVIDER=external).',
  remedy:
    'Let machines report to this server, or register them (POST /api/v1/vms). To launch machines from here, start the server with PROVIDER=local or PROVIDER=aws.',
} as const;

export function createExternalProvider(): Provider {
  return {
    name: 'external',
    readiness: () => Promise.resolve({ ok: false, ...NOT_OURS }),
    launch: (): Promise<ProvisionResult> => Promise.resolve({ ok: false, kind: 'program', ...NOT_OURS }),
    destroy: () => Promise.resolve({ ok: true }),
    list: () => Promise.resolve([]),
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
}
