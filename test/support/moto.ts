// Starts the AWS emulator (moto) on a free port, without machines.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { requirePart } from './required.ts';

const PYTHON = fileURLToPath(new URL('../../.cache/python/moto/bin/python', import.meta.url));
const PROGRAM = fileURLToPath(new URL('moto-forks.py', import.meta.url));
/** The socket of the program that forks emulators, which the global setup starts for all test files. */
const SOCKET_VARIABLE = 'LABLINK_TEST_MOTO';
const START_MS = 90_000;

export const MOTO_REGION = 'us-west-2';

/** Whether moto is installed, for `describe.skipIf(!motoIsThere())`. */
export function motoIsThere(): boolean {
  return requirePart('The emulator of AWS (moto)', existsSync(PYTHON), 'Run `make python`.');
}

export type Moto = AsyncDisposable & {
  readonly endpoint: string;
  /** Endpoint, region and credentials for a program that uses AWS. */
  readonly env: Readonly<Record<string, string>>;
};

/** Starts the program that forks emulators, and names it to the workers of a test run. It does nothing until one is needed. */
export async function provideMoto(): Promise<AsyncDisposable> {
  if (!existsSync(PYTHON)) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const forks = await startForks();
  process.env[SOCKET_VARIABLE] = forks.socket;
  return forks;
}

/**
 * Starts an emulator in a process of its own.
 * @param recording the file for all requests; without it, they are not recorded
 */
export async function startMoto(region = MOTO_REGION, recording = ''): Promise<Moto> {
  const provided = process.env[SOCKET_VARIABLE];
  await using starting = new AsyncDisposableStack();
  const socket = provided ?? starting.use(await startForks()).socket;
  const connection = connect(socket);
  starting.defer(() => void connection.destroy());
  connection.write(`${recording}\n`);
  const port = await firstLine(connection);
  const started = starting.move();
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    env: environmentOf(endpoint, region),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function startForks(): Promise<AsyncDisposable & { readonly socket: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-moto-'));
  const socket = join(folder, 'socket');
  // It ends with its standard input, so that a killed test run leaves no process.
  const child = spawn(PYTHON, [PROGRAM, socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], MOTO_EC2_LOAD_DEFAULT_AMIS: 'true' },
  });
  const ended = once(child, 'close');
  await firstLine(child.stdout);
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  const [line] = (await once(createInterface({ input: stream }), 'line', {
    signal: AbortSignal.timeout(START_MS),
  })) as [string];
  return line;
}

function environmentOf(endpoint: string, region: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: 'testing',
    AWS_SECRET_ACCESS_KEY: 'testing',
    AWS_REGION: region,
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}
