// The rows that measurements begin with, and the counts that they are checked by. One connection, closed afterwards.
import { Client } from 'pg';
import type { Lifecycle } from '../../src/lifecycle.ts';

export type Database = {
  /** So many free machines and nothing else: assigned ones, logs and presence of before are gone. */
  readonly freshVms: (count: number) => Promise<readonly string[]>;
  /** How many live assignments there are. */
  readonly assigned: () => Promise<number>;
  /** How many machines are known to wait at this moment. */
  readonly waiting: () => Promise<number>;
  /** How many connections other programs than this one have to the server. */
  readonly connections: () => Promise<number>;
};

const OWN_NAME = 'lablink bench';

export async function acquireDatabase(lifecycle: Lifecycle, connectionString: string): Promise<Database> {
  const client = await lifecycle.acquire(
    'database connection',
    async () => {
      const opened = new Client({ connectionString, application_name: OWN_NAME });
      // The server may be ended first, after a failure.
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
      // Neither side of a comparison is to meet statistics or dirty pages of the one before.
      await client.query('analyze vms, vm_presence');
      await client.query('checkpoint');
      return rows.map(({ hostname }) => hostname);
    },
    assigned: () => count('from assignments where released_at is null'),
    waiting: () => count('from vm_presence where waiting_until > now()'),
    connections: () =>
      count(
        `from pg_stat_activity where backend_type = 'client backend' and application_name <> '${OWN_NAME}'`,
      ),
  };
}
