// Starts the AWS emulator (moto) as a server process on a free port, without machines.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { requirePart } from './required.ts';

const PROGRAM = fileURLToPath(new URL('../../.cache/python/moto/bin/moto_server', import.meta.url));
const START_MS = 90_000;
/** Kills moto when its standard input closes, so that a killed test run leaves no server. */
const WRAPPER = '"$@" & server=$!; while read -r _; do :; done; kill -9 $server';

export const MOTO_REGION = 'us-west-2';

/** Whether moto is installed, for `describe.skipIf(!motoIsThere())`. */
export function motoIsThere(): boolean {
  return requirePart('The emulator of AWS (moto)', existsSync(PROGRAM), 'Run `make python`.');
}

export type Moto = AsyncDisposable & {
  readonly endpoint: string;
  /** Endpoint, region and credentials for a program that uses AWS. */
  readonly env: Readonly<Record<string, string>>;
};

/** @param recording the file for all requests; without it, they are not recorded */
export async function startMoto(region = MOTO_REGION, recording?: string): Promise<Moto> {
  const child = spawn('bash', ['-c', WRAPPER, 'moto', PROGRAM, '-H', '127.0.0.1', '-p', '0'], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      PYTHONUNBUFFERED: '1',
      NO_COLOR: '1',
      MOTO_EC2_LOAD_DEFAULT_AMIS: 'true',
      ...(recording !== undefined && { MOTO_ENABLE_RECORDING: 'true', MOTO_RECORDER_FILEPATH: recording }),
    },
  });
  const ended = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  let output = '';
  const listening = Promise.withResolvers<string>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    output = `${output}${line}\n`.slice(-8_000);
    const endpoint = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (endpoint !== undefined) listening.resolve(endpoint);
  });
  const late = setTimeout(() => listening.reject(new Error(`moto did not start:\n${output}`)), START_MS);
  try {
    const endpoint = await listening.promise;
    return { endpoint, env: environmentOf(endpoint, region), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(late);
  }
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
