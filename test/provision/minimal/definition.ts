// The smallest provider that passes the suite: machines are files in the data folder. It shows what a provider needs.
import type { ProviderDefinition } from '../../../src/provision/definition.ts';

export const minimal = {
  name: 'minimal',
  meaning: 'files in the data folder, for a test',
  creates: true,
  bills: false,
  needsTokens: false,
  needsLogForwarder: false,
  ownsUnknownVms: false,
  files: { kind: 'configured folder' },
  whyNotShared: () => 'it keeps its machines in memory',
  proof: 'The folder of minimal machines is empty.',
  load: async () => (await import('./open.ts')).openMinimalProvider,
} as const satisfies ProviderDefinition;
