// Composes the local provider from what the server offers.
import { recordSshAddress } from '../../db/vm-rows.ts';
import { markFailed } from '../../db/reports.ts';
import type { ProviderHost } from '../host.ts';
import type { OpenProvider } from '../provider.ts';
import { createLocalProvider } from './local-provider.ts';

type Config = { readonly machine: { readonly software: string | undefined } };

export function openLocalProvider(host: ProviderHost<Config>): OpenProvider {
  const { config, db, log } = host;
  return createLocalProvider({
    dataDir: host.dataDir,
    allocatorUrl: host.listenUrl,
    authorizedKey: host.sshKey.publicKey,
    software: config.machine.software ?? null,
    log,
    onLost: async (hostname, reason) => {
      log.error({ hostname }, `A local VM is lost. ${reason}`);
      await markFailed(db, hostname);
    },
    onMoved: (hostname, reach) => recordSshAddress(db, hostname, reach),
  });
}
