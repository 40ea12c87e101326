// VMs that start elsewhere and register here, or report without having been launched.
import type { ProviderDefinition } from '../definition.ts';

export const external = {
  name: 'external',
  meaning: 'machines that register themselves',
  creates: false,
  bills: false,
  needsTokens: false,
  needsLogForwarder: false,
  ownsUnknownVms: true,
  files: { kind: 'configured folder' },
  whyNotShared: () => null,
  proof: 'No machine is registered here any more.',
  load: async () => (await import('./open.ts')).openExternalProvider,
} as const satisfies ProviderDefinition;
