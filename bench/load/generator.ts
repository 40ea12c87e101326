// Starts the load generator, a child process that runs one job at a time.
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Lifecycle } from '../../src/lifecycle.ts';
import { endChild } from '../support/child.ts';
import type { JobKind, Jobs, ResultMessage } from './jobs.ts';

export type Generator = {
  readonly run: <K extends JobKind>(kind: K, job: Jobs[K]['job']) => Promise<Jobs[K]['result']>;
};

const PROGRAM = join(import.meta.dirname, 'main.ts');
const GRACE_MS = 2_000;

export async function acquireGenerator(lifecycle: Lifecycle): Promise<Generator> {
  const child = await lifecycle.acquire(
    'load generator',
    () => fork(PROGRAM, { detached: true }),
    (opened, { force }) => endChild(opened, { signal: 'SIGTERM', graceMs: GRACE_MS, force }),
  );
  return {
    run: async (kind, job) => {
      const result = resultOf(child);
      child.send({ kind, job });
      const message = await result;
      if (!message.ok) throw new Error(message.error);
      return message.result;
    },
  };
}

function resultOf(child: ChildProcess): Promise<ResultMessage> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error('The load generator has ended.'));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message as ResultMessage);
    });
  });
}
