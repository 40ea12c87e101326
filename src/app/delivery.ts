// The desk where VMs wait, and the listener that wakes it.
import { listen, type Listener } from '../db/listen.ts';
import { createDesk, type Desk } from '../delivery/desk.ts';
import { watchSilence } from '../delivery/silence.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Data } from './data.ts';
import { StartRefused, type Environment } from './environment.ts';

export type Delivery = { readonly desk: Desk; readonly listener: Listener };

/** The desk is closed by whoever lets the waiting polls go: the HTTP server's stop. */
export async function openDelivery(
  { config, log }: Environment,
  lifecycle: Lifecycle,
  { database }: Data,
): Promise<Delivery> {
  const desk = createDesk({
    db: database.db,
    maxWaiters: config.limits.waitingVms,
    codeLifetimeSeconds: config.limits.codeLifetimeMs / 1_000,
    pollMaxSeconds: config.limits.pollMaxSeconds ?? null,
    now: Date.now,
    onError: (error, doing) => log.warn({ err: error }, `An error while ${doing}; it is tried again.`),
  });
  const listening = await lifecycle.acquire(
    'listener',
    () =>
      listen({
        connectionString: database.connectionString,
        channel: config.notifyChannel,
        onHostname: desk.hint,
        onConnected: () => void desk.reread(),
        onError: (error) => log.warn({ err: error }, 'The listener lost its connection; it reconnects.'),
      }),
    async (result) => {
      // A start that fails later has no HTTP server yet that would have closed it.
      await desk.close();
      if (result.ok) await result.listener.close();
    },
  );
  if (!listening.ok) throw new StartRefused(listening.problem, listening.remedy);
  await lifecycle.acquire(
    'silence watch',
    () =>
      Promise.resolve(
        watchSilence({
          db: database.db,
          silentMs: config.limits.silentAfterMs,
          now: Date.now,
          onSilent: (hostnames) =>
            log.warn({ hostnames }, 'Nothing is heard of these machines any more; they are unreachable.'),
          onError: (error, doing) => log.warn({ err: error }, `An error while ${doing}; it is tried again.`),
        }),
      ),
    (watch) => watch.close(),
  );
  return { desk, listener: listening.listener };
}
