// Runs the claim with pgbench: the statement of the server, prepared once per connection, with parameters made from one
// random number.
import { spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { claimSql } from '../../src/db/claim.ts';
import { BOUNDED } from '../../src/db/grouped.ts';
import { buildCrdCommand } from '../../src/vms/crd-command.ts';
import type { Lifecycle } from '../../src/lifecycle.ts';
import { endChild, ending } from './child.ts';

export type PgbenchRun = {
  /** The folder for the script. */
  readonly folder: string;
  readonly connectionString: string;
  /** The channel of NOTIFY. */
  readonly channel: string;
  readonly connections: number;
  readonly claims: number;
};

const GRACE_MS = 2_000;

/** One person. The random number has at most 19 digits, so it fits into a uuid after leading zeros. */
const PARAMETERS: Readonly<Record<string, string>> = {
  $1: `array[lpad(:number, 32, '0')]`,
  $2: `array[:number || '@example.org']`,
  $3: 'array[:number]',
  $4: 'array[:command]',
  $5: 'array[:pin]',
  $6: `array['127.0.0.1']`,
  $7: 'array[:channel]',
  $8: `array['127.0.0.1']`,
};

export function hasPgbench(): boolean {
  return spawnSync('pgbench', ['--version']).status === 0;
}

function parameter(name: string): string {
  // What a claim may leave out.
  return PARAMETERS[name] ?? 'array[null]::text[]';
}

/** Without the limit of a group's wait: on a busy computer the commits of 40 clients wait longer for each other, and pgbench gives up. */
function script(): string {
  const bounded = claimSql('skip locked');
  const statement = bounded
    .replace(BOUNDED, BOUNDED.replace(/'\d+ms'/, `'0'`))
    .replaceAll(/\$\d+/g, (name) => parameter(name));
  return `\\set number random(1, 9000000000000000000)\n${statement};\n`;
}

/** Claims per second, without the time for connecting. */
export async function pgbenchClaims(lifecycle: Lifecycle, run: PgbenchRun): Promise<number> {
  const file = join(run.folder, 'claim.sql');
  await writeFile(file, script());
  const { hostname, port, username, password, pathname } = new URL(run.connectionString);
  const child = await lifecycle.acquire(
    'pgbench',
    () =>
      spawn('pgbench', words(run, file), {
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
        env: {
          ...process.env,
          PGHOST: hostname,
          PGPORT: port,
          PGUSER: username,
          PGPASSWORD: password,
          PGDATABASE: pathname.slice(1),
        },
      }),
    (opened, { force }) => endChild(opened, { signal: 'SIGTERM', graceMs: GRACE_MS, force }),
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  await ending(child);
  const perSecond = /^tps = ([\d.]+)/m.exec(output)?.[1];
  if (child.exitCode !== 0 || perSecond === undefined) throw new Error(`pgbench failed: ${output}`);
  return Number(perSecond);
}

function words({ connections, claims, channel }: PgbenchRun, file: string): string[] {
  return [
    '--no-vacuum',
    '--protocol=prepared',
    `--client=${connections}`,
    `--transactions=${claims / connections}`,
    `--file=${file}`,
    `--define=command=${buildCrdCommand('4/0AbenchBenchBench')}`,
    '--define=pin=123456',
    `--define=channel=${channel}`,
  ];
}
