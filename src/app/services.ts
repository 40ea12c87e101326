// What works beside the HTTP server: the dispatcher where VMs wait, the listener that wakes it, the watch for silent machines,
// the history of the lab, and the collector of the participants' work.
import { randomUUID } from 'node:crypto';
import { createCollector, type Collector } from '../collect/collector.ts';
import { defaultLimits, type FilePlace } from '../collect/target.ts';
import type { Config } from '../config.ts';
import { pinHostKey } from '../db/downloads.ts';
import { listen, type Listener } from '../db/listen.ts';
import type { Settings } from '../db/settings.ts';
import { createDispatcher, type Dispatcher } from '../delivery/dispatcher.ts';
import { startReserver } from '../delivery/reserver.ts';
import { watchSilence, type SilenceWatch } from '../delivery/silence.ts';
import { startSampler } from '../delivery/state-sampler.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { definitionOf } from '../provision/providers.ts';
import type { SshKeyPair } from '../ssh/key-pair.ts';
import { openingState } from '../vms/workshop-state.ts';
import { clockOf, StartError, type AppContext } from './context.ts';
import type { Data } from './data.ts';

export type DeliveryServices = {
  readonly dispatcher: Dispatcher;
  readonly listener: Listener;
  readonly silence: SilenceWatch;
};

export type Collecting = {
  readonly collector: Collector;
  /** For participants: they take no place of the organiser's downloads. */
  readonly ownCollector: Collector;
  readonly filePlaceOf: (provider: Config['provider']) => FilePlace;
  readonly defaultSshUser: string;
  readonly downloadFolders: 'machine' | 'participant';
};

const NO_CONTAINER = 'none';
/** Participants who download their own files at the same time; each is one machine. */
const OWN_DOWNLOADS = 12;

/** The stop of the HTTP server closes the dispatcher, while running requests finish. Throws StartError. */
export async function openDelivery(
  { config, log }: AppContext,
  lifecycle: Lifecycle,
  { database }: Data,
  metrics: Metrics | null,
): Promise<DeliveryServices> {
  const { db, shares, connectionString } = database;
  const warn = (error: unknown, action: string): void =>
    log.warn({ err: error }, `An error while ${action}; it is tried again.`);
  const dispatcher = createDispatcher({
    db: shares.machines,
    allocator: randomUUID(),
    channel: config.notifyChannel,
    maxWaiters: config.limits.waitingVms,
    codeLifetimeSeconds: config.limits.codeLifetimeMs / 1_000,
    pollMaxSeconds: config.limits.pollMaxSeconds ?? null,
    now: Date.now,
    onError: warn,
    onDelivered: metrics?.delivered,
  });
  const listening = await lifecycle.acquire(
    'listener',
    () =>
      listen({
        connectionString,
        channel: config.notifyChannel,
        db,
        onNotice: dispatcher.onNotice,
        onConnected: () => void dispatcher.readAll(),
        onError: (error) => log.warn({ err: error }, 'The listener lost its connection; it reconnects.'),
      }),
    async (result) => {
      // A start that fails later has no HTTP server yet that would have closed it.
      await dispatcher.close();
      if (result.ok) await result.value.close();
    },
  );
  if (!listening.ok) throw new StartError(listening.failure);
  const silence = await lifecycle.acquire(
    'silence watch',
    () =>
      watchSilence({
        db,
        silentMs: config.limits.silentAfterMs,
        now: Date.now,
        onSilent: (hostnames) =>
          log.warn({ hostnames }, 'These machines have stopped responding; they are unreachable.'),
        onError: warn,
      }),
    (watch) => watch.close(),
  );
  return { dispatcher, listener: listening.value, silence };
}

/** Reserves machines for the waiting list while the workshop is open. Returns what reserves those that are free now. */
export async function openReserver(
  context: AppContext,
  lifecycle: Lifecycle,
  { database: { db }, settings }: Data & { readonly settings: Settings },
): Promise<() => Promise<void>> {
  const now = clockOf(context);
  const readSweep = async () => {
    const current = await settings.read();
    const open = openingState(current, now()) === 'open';
    return { open, until: current.closesAt === null ? null : new Date(current.closesAt) };
  };
  const onError = (error: unknown, action: string): void =>
    context.log.warn({ err: error }, `An error while ${action}; it is tried again.`);
  const reserver = await lifecycle.acquire(
    'waiting list',
    () => startReserver({ db, readSweep, onError }),
    (opened) => opened.close(),
  );
  return reserver.sweep;
}

/** Records how the state of the lab changes, while the server runs. */
export async function openHistory(
  { log }: AppContext,
  lifecycle: Lifecycle,
  { database: { db } }: Data,
): Promise<void> {
  const onError = (error: unknown, action: string): void =>
    log.debug({ err: error }, `An error while ${action}; it is tried again.`);
  await lifecycle.acquire(
    'history',
    () => startSampler({ db, onError }),
    (sampler) => sampler.close(),
  );
}

export function openCollecting(
  context: AppContext,
  { database: { db } }: Data,
  { privateKey }: Pick<SshKeyPair, 'privateKey'>,
): Collecting {
  const { config, log } = context;
  const { extensions, leftOut, parallel, maxRunning, stallMs, sshUser } = config.download;
  const dependencies = {
    privateKey,
    choice: { extensions, leftOut },
    limits: { ...defaultLimits, sending: parallel, downloads: maxRunning, stallMs },
    log,
    now: clockOf(context),
    nowMs: () => performance.now(),
    randomUuid: () => randomUUID(),
    pin: (hostname: string, hostKey: string) => pinHostKey(db, hostname, hostKey),
  };
  const ownLimits = { ...dependencies.limits, downloads: OWN_DOWNLOADS };
  const collector = createCollector(dependencies);
  const ownCollector = createCollector({ ...dependencies, limits: ownLimits });
  return {
    collector,
    ownCollector,
    filePlaceOf: (provider) => filePlaceOf(config, provider),
    defaultSshUser: sshUser,
    downloadFolders: config.download.folders,
  };
}

function filePlaceOf({ download }: Config, provider: Config['provider']): FilePlace {
  const { folder, container } = download;
  const { files } = definitionOf(provider);
  if (files.kind === 'own folder') return { kind: 'folder', folder: files.folder };
  if (files.kind === 'configured folder' || container === NO_CONTAINER) return { kind: 'folder', folder };
  return { kind: 'container', name: container ?? null, folder };
}
