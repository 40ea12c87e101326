// What notes how the lab comes to be as it is, as long as the server runs.
import { startSampler } from '../delivery/state-sampler.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Data } from './data.ts';
import type { Environment } from './environment.ts';

export async function openHistory(
  { log }: Environment,
  lifecycle: Lifecycle,
  { database }: Data,
): Promise<void> {
  await lifecycle.acquire(
    'history',
    () =>
      startSampler({
        db: database.db,
        onError: (error, doing) => log.debug({ err: error }, `An error while ${doing}; it is tried again.`),
      }),
    (sampler) => sampler.close(),
  );
}
