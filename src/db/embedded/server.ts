// Starts and stops the server of a data folder with pg_ctl, which gives it a session of its own: no Ctrl-C of ours
// reaches it. Call both under the start lock. Knows nothing of SQL.
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from './context.ts';
import type { Places } from './places.ts';
import { findPostmaster, PID_FILE } from './postmaster.ts';
import { explainOutput, refuse, type Failure } from './problem.ts';
import { runProgram, type RunResult } from './run-program.ts';
import { boundLog, LOG_LIMIT_BYTES, logSize, readLogFrom } from './server-log.ts';
import { postgresOptions } from './settings.ts';

/** Replaying a crashed server's journal takes most of it. */
const START_TIMEOUT_S = 120;
/** A fast stop ends all sessions and writes a checkpoint; after this it is made an immediate one. */
const FAST_STOP_TIMEOUT_S = 20;
const IMMEDIATE_STOP_TIMEOUT_S = 10;
/** On top of pg_ctl's own time-out. */
const PROGRAM_GRACE_MS = 10_000;
/** The port is free when we look, and may be taken when Postgres does. */
const PORT_TRIES = 5;
/** Children of a postmaster that was killed need a moment to notice. */
const ORPHAN_TRIES = 50;
const ORPHAN_WAIT_MS = 200;

const PORT_TAKEN = /could not bind|could not create any TCP\/IP sockets/;
const ORPHANS_LEFT = /pre-existing shared memory block/;
const TOO_SLOW = /did not start in time/;

export type Started = { readonly ok: true; readonly port: number };

/**
 * Starts the server, which must not be running, and waits until it takes connections. `port`: that one and no other;
 * otherwise a free one. A `postmaster.pid` that is there is stale, and is removed.
 */
export async function startServer(context: Context, port?: number): Promise<Started | Failure> {
  const { places } = context;
  await rm(join(places.cluster, PID_FILE), { force: true });
  await boundLog(places.log, LOG_LIMIT_BYTES);
  let portTries = 0;
  let orphanTries = 0;
  for (;;) {
    const chosen = port ?? (await freePort());
    const said = await tryToStart(context, chosen);
    if (said === undefined) return { ok: true, port: chosen };
    if (PORT_TAKEN.test(said) && port === undefined && ++portTries < PORT_TRIES) continue;
    if (ORPHANS_LEFT.test(said) && ++orphanTries < ORPHAN_TRIES) {
      await delay(ORPHAN_WAIT_MS);
      continue;
    }
    return TOO_SLOW.test(said) ? stillRecovering(places) : explainOutput(said, places.home, 'start');
  }
}

/** Undefined: it runs. Otherwise everything that pg_ctl and Postgres said. */
async function tryToStart(context: Context, port: number): Promise<string | undefined> {
  const { places, settings } = context;
  const logged = await logSize(places.log);
  const words = ['start', '-s', '-w', '-t', String(START_TIMEOUT_S), '-l', 'server.log'];
  const settingsWord = postgresOptions(places.cluster, port, settings);
  const ran = await pgCtl(context, [...words, '-o', settingsWord], START_TIMEOUT_S);
  if (ran.code === 0) return undefined;
  return `${ran.output}\n${await readLogFrom(places.log, logged)}`;
}

/** True when no server runs on this data folder any more; false where even an immediate stop did not end it. */
export async function stopServer(context: Context): Promise<boolean> {
  const steps = [
    { mode: 'fast', seconds: FAST_STOP_TIMEOUT_S },
    { mode: 'immediate', seconds: IMMEDIATE_STOP_TIMEOUT_S },
  ];
  for (const { mode, seconds } of steps) {
    // pg_ctl signals whatever process the file names: it must be the server.
    if ((await findPostmaster(context.places.cluster)) === undefined) return true;
    await pgCtl(context, ['stop', '-s', '-w', '-t', String(seconds), '-m', mode], seconds);
  }
  return (await findPostmaster(context.places.cluster)) === undefined;
}

/** The folder goes by PGDATA and by quoted `-o`, not by pg_ctl's `-D`, which it puts into a shell command unescaped. */
function pgCtl(
  { places, binaries, env, account }: Context,
  args: readonly string[],
  seconds: number,
): Promise<RunResult> {
  return runProgram(binaries.pgCtl, args, {
    env: { ...env, PGDATA: places.cluster },
    account,
    cwd: dirname(places.log),
    timeoutMs: seconds * 1_000 + PROGRAM_GRACE_MS,
  });
}

function stillRecovering(places: Places): Failure {
  return refuse(
    `The embedded Postgres did not become ready within ${START_TIMEOUT_S} s; it is still working on ${places.home}.`,
    `Look at ${places.log} and start again in a minute: the next start finds it running and takes it over.`,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port: 0, host: '127.0.0.1' }, () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('A listening socket has no address.'));
      });
    });
  });
}
