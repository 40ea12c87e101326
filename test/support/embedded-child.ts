// An allocator, as far as its database goes, in a process of its own: for tests that kill it, start two, or change its
// user. Argument: a data folder and, for root, a system folder. Prints one JSON object a line; stops on SIGINT or SIGTERM.
import { hostname } from 'node:os';
import { Client } from 'pg';
import { thisPlatform } from '../../src/db/embedded/platform.ts';
import { startOwnedPostgres } from '../../src/db/embedded/own.ts';

const [dataDir = '', systemDir = ''] = process.argv.slice(2);
const tell = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

const started = await startOwnedPostgres({
  dataDir,
  settings: { fsync: 'off' },
  log: (line) => tell({ log: line }),
  env: process.env,
  platform: { ...thisPlatform(), systemDir },
  self: { pid: process.pid, host: hostname() },
  onTaken: () => tell({ taken: true }),
});

if (started.ok) {
  const { connectionString, stop, ...told } = started.value;
  const finish = async (signal: string): Promise<void> => {
    // The drain: what is under way when Ctrl-C comes still needs the database.
    const client = new Client({ connectionString });
    await client.connect();
    const { rows } = await client.query<{ answer: number }>('select 42 as answer');
    await client.end();
    await stop();
    process.stdin.destroy();
    tell({ signal, answer: rows[0]?.answer });
  };
  process.stdin.once('end', () => void stop()).resume();
  process.once('SIGINT', (signal) => void finish(signal));
  process.once('SIGTERM', (signal) => void finish(signal));
  tell({ ready: { connectionString, ...told } });
} else {
  tell({ refused: started.failure });
}
