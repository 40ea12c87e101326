// Creates the rows that a measurement starts with, and counts rows for its checks. Uses one connection.
import { Client } from 'pg';
import type { Lifecycle } from '../../src/lifecycle.ts';

export type Database = {
  /** Replaces all machines, with their assignments, logs and presence, by this number of free machines. */
  readonly freshVms: (count: number) => Promise<readonly string[]>;
  /** The number of live assignments. */
  readonly assigned: () => Promise<number>;
  /** The number of machines that wait now, according to the database. */
  readonly waiting: () => Promise<number>;
  /** Every commit takes this much longer, as on a slower disk. */
  readonly delayCommits: (microseconds: number) => Promise<void>;
  /** The number of connections of other programs to the server. */
  readonly connections: () => Promise<number>;
};

const OWN_NAME = 'lablink bench';

export async function acquireDatabase(lifecycle: Lifecycle, connectionString: string): Promise<Database> {
  const client = await lifecycle.acquire(
    'database connection',
    async () => {
      const opened = new Client({ connectionString, application_name: OWN_NAME });
      // After a failure, the server may end before this connection.
      opened.on('error', () => undefined);
      await opened.connect();
      return opened;
    },
    (opened) => opened.end(),
  );
  const count = async (query: string): Promise<number> => {
    const { rows } = await client.query<{ count: number }>(`select count(*)::int as count ${query}`);
    return rows[0]!.count;
  };
  return {
    freshVms: async (vms) => {
      await client.query('truncate vms cascade');
      const { rows } = await client.query<{ hostname: string }>(
        `insert into vms (hostname, provider, status)
         select 'lablink-vm-bench-' || number, 'external', 'running' from generate_series(1, $1) as number
         returning hostname`,
        [vms],
      );
      await client.query('insert into vm_presence (hostname) select hostname from vms');
      // Each side of a comparison starts with current statistics and without dirty pages of the other side.
      await client.query('analyze vms, vm_presence');
      await client.query('checkpoint');
      return rows.map(({ hostname }) => hostname);
    },
    assigned: () => count('from assignments where released_at is null'),
    waiting: () => count('from vm_presence where waiting_until > now()'),
    delayCommits: async (microseconds) => {
      for (const setting of [`commit_delay = ${microseconds}`, 'commit_siblings = 0'])
        await client.query(`alter system set ${setting}`);
      await client.query('select pg_reload_conf()');
    },
    connections: () =>
      count(
        `from pg_stat_activity where backend_type = 'client backend' and application_name <> '${OWN_NAME}'`,
      ),
  };
}
