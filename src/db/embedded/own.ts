// The embedded server together with the right to use it: what the composition calls. One allocator per data folder.
import { acquireDeploymentLock, describeHolder, type DeploymentLockOptions } from '../deployment-lock.ts';
import { refuse, type Failure } from './problem.ts';
import { startEmbeddedPostgres, type EmbeddedOptions, type EmbeddedPostgres } from './start.ts';

/** A server that its last owner stops just while we find it is started by us the next time. */
const TRIES = 3;

export type OwnedOptions = EmbeddedOptions & Pick<DeploymentLockOptions, 'self' | 'onTaken'>;

/** As `EmbeddedPostgres`; `stop` also gives the deployment lock up, last. */
export type OwnedPostgres = Omit<EmbeddedPostgres, 'leave'>;

/**
 * Starts or takes over the server of the data folder and takes the exclusive deployment lock on it. Where another
 * allocator has that, its server is left alone and the failure says who it is.
 */
export async function startOwnedPostgres(
  options: OwnedOptions,
): Promise<{ readonly ok: true; readonly postgres: OwnedPostgres } | Failure> {
  let unreachable = '';
  for (let tries = 0; tries < TRIES; tries++) {
    const started = await startEmbeddedPostgres(options);
    if (!started.ok) return started;
    const { leave, ...postgres } = started.postgres;
    const { connectionString, dataDir } = postgres;
    const locked = await acquireDeploymentLock({ ...options, connectionString, mode: 'exclusive' });
    if (locked.ok) {
      const stop = (): Promise<void> => locked.lock.release(postgres.stop);
      return { ok: true, postgres: { ...postgres, stop } };
    }
    if (locked.reason === 'held') {
      await leave();
      return refuse(
        `Another allocator (${describeHolder(locked.holder)}) is using the data folder ${dataDir}.`,
        'Stop it first, or give this one its own folder and port with DATA_DIR and PORT.',
      );
    }
    await postgres.stop();
    unreachable = locked.error.message;
  }
  return refuse(
    `The embedded Postgres started, but does not let the allocator in (${unreachable}).`,
    'Start again; if it stays so, look at postgres/log/server.log in the data folder.',
  );
}
