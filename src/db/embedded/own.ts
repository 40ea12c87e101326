// The embedded server together with the right to use it: what the composition calls. One allocator per data folder.
import { succeed, type Result } from '../../result.ts';
import { acquireDeploymentLock, describeHolder, type DeploymentLockOptions } from '../deployment-lock.ts';
import { refuse } from './failure.ts';
import { startEmbeddedPostgres, type EmbeddedOptions, type EmbeddedPostgres } from './start.ts';

/** Where the last owner stops the server just when we find it, the next try starts it. */
const TRIES = 3;

export type OwnedOptions = EmbeddedOptions & Pick<DeploymentLockOptions, 'self' | 'onTaken'>;

/** As `EmbeddedPostgres`; `stop` also releases the deployment lock, last. */
export type OwnedPostgres = Omit<EmbeddedPostgres, 'leave'>;

/**
 * Starts or takes over the server of the data folder and takes the exclusive deployment lock on it. Where another
 * allocator holds that lock, its server is left alone and the failure names it.
 */
export async function startOwnedPostgres(options: OwnedOptions): Promise<Result<OwnedPostgres>> {
  let unreachable = '';
  for (let tries = 0; tries < TRIES; tries++) {
    const started = await startEmbeddedPostgres(options);
    if (!started.ok) return started;
    const { leave, ...postgres } = started.value;
    const { connectionString, dataDir } = postgres;
    const locked = await acquireDeploymentLock({ ...options, connectionString, mode: 'exclusive' });
    if (locked.ok) {
      const stop = (): Promise<void> => locked.value.release(postgres.stop);
      return succeed({ ...postgres, stop });
    }
    if (locked.failure.code === 'held') {
      await leave();
      return refuse(
        'in_use',
        `Another allocator (${describeHolder(locked.failure.holder)}) is using the data folder ${dataDir}.`,
        'Stop it first, or give this one its own folder and port with DATA_DIR and PORT.',
      );
    }
    await postgres.stop();
    unreachable = locked.failure.error.message;
  }
  return refuse(
    'unreachable',
    `The embedded Postgres has started, but the allocator cannot connect to it (${unreachable}).`,
    'Start again; if it fails again, look at postgres/log/server.log in the data folder.',
  );
}
