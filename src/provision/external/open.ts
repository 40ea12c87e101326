// The provider for external VMs, which start elsewhere and register here: it creates and destroys none.
import { fail, succeed } from '../../result.ts';
import type { OpenProvider, ProvisionResult } from '../provider.ts';

const CANNOT_LAUNCH: ProvisionResult = fail({
  code: 'program',
  message: 'This server cannot launch machines: it only accepts external machines (PROVIDER=external).',
  remedy:
    'Let machines report to this server, or register them (POST /api/v1/vms). To launch machines from here, start the server with another PROVIDER (docs/configuration.md).',
});

export function openExternalProvider(): OpenProvider {
  return {
    readiness: () => Promise.resolve(CANNOT_LAUNCH),
    launch: () => Promise.resolve(CANNOT_LAUNCH),
    destroy: () => Promise.resolve(succeed()),
    list: () => Promise.resolve([]),
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
}
