// The part of an allocator that owns the embedded Postgres, as its own process: for tests that kill it, start two of them,
// or run it as another user. Arguments: the data folder and, for root, a system folder. Prints one JSON object per line;
// SIGINT or SIGTERM stops it.
import { hostname } from 'node:os';
import { Client } from 'pg';
import { thisPlatform } from '../../src/db/embedded/platform.ts';
import { startOwnedPostgres } from '../../src/db/embedded/own.ts';

const [dataDir = '', systemDir = ''] = process.argv.slice(2);
const print = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

const started = await startOwnedPostgres({
  dataDir,
  settings: { fsync: 'off' },
  log: (line) => print({ log: line }),
  env: process.env,
  platform: { ...thisPlatform(), systemDir },
  self: { pid: process.pid, host: hostname() },
  onTaken: () => print({ taken: true }),
});

if (started.ok) {
  const { connectionString, stop, ...details } = started.value;
  const finish = async (signal: string): Promise<void> => {
    // Like a request that is still running after Ctrl-C, this query needs the database during the shutdown.
    const client = new Client({ connectionString });
    await client.connect();
    const { rows } = await client.query<{ answer: number }>('select 42 as answer');
    await client.end();
    await stop();
    process.stdin.destroy();
    print({ signal, answer: rows[0]?.answer });
  };
  process.stdin.once('end', () => void stop()).resume();
  process.once('SIGINT', (signal) => void finish(signal));
  process.once('SIGTERM', (signal) => void finish(signal));
  print({ ready: { connectionString, ...details } });
} else {
  print({ refused: started.failure });
}
