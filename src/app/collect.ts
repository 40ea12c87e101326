// What brings everybody's work home.
import { randomUUID } from 'node:crypto';
import { createCollector, type Collector } from '../collect/collector.ts';
import { defaultLimits, type Place } from '../collect/target.ts';
import type { Config } from '../config.ts';
import { pinHostKey } from '../db/downloads.ts';
import type { SshKeyPair } from '../ssh/key-pair.ts';
import type { Data } from './data.ts';
import type { Environment } from './environment.ts';

/** Local VMs run commands in their own folder. */
const LOCAL_FOLDER = 'Desktop';
const NO_CONTAINER = 'none';

export type Collecting = {
  readonly collector: Collector;
  readonly placeOn: (provider: 'aws' | 'local' | 'external') => Place;
  readonly defaultSshUser: string;
};

export function openCollecting(
  { config, log }: Environment,
  data: Data,
  { privateKey }: Pick<SshKeyPair, 'privateKey'>,
): Collecting {
  const { db } = data.database;
  const { extensions, leftOut, parallel, maxRunning, stallMs, sshUser } = config.download;
  const collector = createCollector({
    privateKey,
    choice: { extensions, leftOut },
    limits: { ...defaultLimits, sending: parallel, downloads: maxRunning, stallMs },
    log,
    now: () => new Date(),
    nowMs: () => performance.now(),
    randomUuid: () => randomUUID(),
    pin: (hostname, hostKey) => pinHostKey(db, hostname, hostKey),
  });
  return { collector, placeOn: (provider) => placeOn(config, provider), defaultSshUser: sshUser };
}

function placeOn({ download }: Config, provider: 'aws' | 'local' | 'external'): Place {
  const { folder, container } = download;
  if (provider === 'local') return { kind: 'folder', folder: LOCAL_FOLDER };
  if (provider === 'external' || container === NO_CONTAINER) return { kind: 'folder', folder };
  return { kind: 'container', name: container ?? null, folder };
}
