// VMs that are processes of this computer, to try everything without an account of a cloud.
import type { ProviderDefinition } from '../definition.ts';

export const local = {
  name: 'local',
  meaning: 'processes of this computer',
  isDefault: true,
  creates: true,
  bills: false,
  needsTokens: false,
  needsLogForwarder: false,
  ownsUnknownVms: false,
  files: { kind: 'own folder', folder: 'Desktop' },
  whyNotShared: () => 'PROVIDER=local runs machines on one computer',
  proof: '0 machines of this deployment are left on this computer.',
  load: async () => (await import('./open.ts')).openLocalProvider,
} as const satisfies ProviderDefinition;
