// The EC2 API without AWS: moto's server, in a process of its own, on a free port of this machine, empty at first.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { requirePart } from './required.ts';

const PROGRAM = fileURLToPath(new URL('../../.cache/python/moto/bin/moto_server', import.meta.url));
const START_MS = 90_000;

export const moto: boolean = requirePart(
  'The EC2 emulator (moto)',
  existsSync(PROGRAM),
  'Run `make python`.',
);

export type Moto = AsyncDisposable & {
  readonly endpoint: string;
  /** What a program needs to take it for AWS. */
  readonly env: Readonly<Record<string, string>>;
};

export const MOTO_REGION = 'us-west-2';

export async function startMoto(): Promise<Moto> {
  const child = spawn(PROGRAM, ['-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], PYTHONUNBUFFERED: '1', MOTO_EC2_LOAD_DEFAULT_AMIS: 'true' },
  });
  const ended = once(child, 'close');
  let output = '';
  const { promise: endpoint, resolve, reject } = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const address = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(output)?.[1];
      if (address !== undefined) resolve(address);
    });
  void ended.then(() => reject(new Error(`moto ended:\n${output}`)));
  const timer = setTimeout(() => reject(new Error(`moto does not start:\n${output}`)), START_MS);
  const stop = async (): Promise<void> => {
    clearTimeout(timer);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  };
  try {
    const address = await endpoint;
    clearTimeout(timer);
    return { endpoint: address, env: envOf(address), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function envOf(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: 'testing',
    AWS_SECRET_ACCESS_KEY: 'testing',
    AWS_REGION: MOTO_REGION,
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}
