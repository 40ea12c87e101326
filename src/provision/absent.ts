// The provider that this version does not have: it says so, instead of pretending to be another one.
import type { Provider, ProvisionResult } from './provider.ts';

export function createAbsentProvider(name: Provider['name']): Provider {
  const absent = {
    problem: `This version cannot launch machines on ${name} yet.`,
    remedy:
      'Start the server with PROVIDER=local (processes of this computer), or let machines come by themselves (PROVIDER=external).',
  };
  return {
    name,
    readiness: () => Promise.resolve({ ok: false, ...absent }),
    launch: (): Promise<ProvisionResult> => Promise.resolve({ ok: false, kind: 'program', ...absent }),
    destroy: () => Promise.resolve({ ok: true }),
    list: () => Promise.resolve([]),
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
}
