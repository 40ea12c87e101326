// The same Postgres without the allocator: the same programs, settings and user. The time that it takes to start is a lower
// bound for an allocator.
import { spawn, type ChildProcess } from 'node:child_process';
import { chown, mkdir } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { prepareBinaries } from '../../src/db/embedded/binaries.ts';
import { thisPlatform } from '../../src/db/embedded/platform.ts';
import { programEnv, runProgram } from '../../src/db/embedded/run-program.ts';
import { postgresOptions } from '../../src/db/embedded/server.ts';
import type { Lifecycle } from '../../src/lifecycle.ts';
import { endChild } from './child.ts';
import type { Folder } from './folder.ts';

export type BarePostgres = {
  /** Creates the cluster and starts a server on it: seconds until it answers. */
  readonly first: () => Promise<number>;
  /** Starts a server on the existing cluster: seconds until it answers. */
  readonly again: () => Promise<number>;
};

const INITDB_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 20_000;
const POLL_MS = 2;

export async function openBarePostgres(lifecycle: Lifecycle, folder: Folder): Promise<BarePostgres> {
  const { account } = folder;
  const env = programEnv(process.env);
  const prepared = await prepareBinaries({ platform: thisPlatform(), env, account });
  if (!prepared.ok) throw new Error(prepared.failure.message);
  const binaries = prepared.value;
  const cluster = join(folder.path, 'bare');
  await mkdir(cluster);
  if (account) await chown(cluster, account.uid, account.gid);

  async function initdb(): Promise<void> {
    const words = [`--pgdata=${cluster}`, '--username=lablink', '--auth=trust'];
    const options = ['--encoding=UTF8', '--locale=C', '--no-instructions'];
    const ran = await runProgram(binaries.initdb, [...words, ...options], {
      env,
      account,
      timeoutMs: INITDB_TIMEOUT_MS,
    });
    if (ran.code !== 0) throw new Error(`initdb failed: ${ran.output}`);
  }

  async function startAndStop(): Promise<number> {
    const port = await freePort();
    const program = join(dirname(binaries.pgCtl), 'postgres');
    const startedMs = performance.now();
    const server = await lifecycle.acquire(
      'bare Postgres',
      () =>
        spawn('/bin/sh', ['-c', `exec "$0" ${postgresOptions(cluster, port, {})}`, program], {
          env,
          cwd: '/',
          stdio: 'ignore',
          detached: true,
          ...(account && { uid: account.uid, gid: account.gid }),
        }),
      endServer,
    );
    await answers(port);
    const seconds = (performance.now() - startedMs) / 1_000;
    await endServer(server, { force: new AbortController().signal });
    return seconds;
  }

  return {
    first: async () => {
      const startedMs = performance.now();
      await initdb();
      return (performance.now() - startedMs) / 1_000 + (await startAndStop());
    },
    again: startAndStop,
  };
}

function endServer(server: ChildProcess, { force }: { readonly force: AbortSignal }): Promise<void> {
  return endChild(server, { signal: 'SIGINT', graceMs: STOP_GRACE_MS, force });
}

async function answers(port: number): Promise<void> {
  for (;;) {
    const client = new Client({ host: '127.0.0.1', port, user: 'lablink', database: 'postgres' });
    try {
      await client.connect();
      await client.query('select 1');
      return;
    } catch {
      await delay(POLL_MS);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
