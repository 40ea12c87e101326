// Runs a backup in a thread of its own.
import { Worker } from 'node:worker_threads';
import { programBeside } from '../process/program.ts';
import { fail, type Result } from '../result.ts';
import { failureOf, type BackupJob, type MadeBackup } from './make.ts';
import { answerSchema } from './thread-messages.ts';

const PROGRAM = programBeside(import.meta.url, './worker');
const CUT_SHORT = fail({
  code: 'stopped',
  message: 'The backup was cut short, because the server stopped.',
  remedy: 'The next one is made after its start.',
});

/** @param signal aborted = the thread ends at once, and no backup appears in the place */
export async function makeBackupInThread(job: BackupJob, signal: AbortSignal): Promise<Result<MadeBackup>> {
  if (signal.aborted) return CUT_SHORT;
  const worker = new Worker(PROGRAM, { workerData: job });
  const end = (): void => void worker.terminate();
  signal.addEventListener('abort', end, { once: true });
  const ended = Promise.withResolvers<Result<MadeBackup>>();
  worker.once('message', (message) => ended.resolve(answerSchema.parse(message)));
  worker.once('error', (error) => ended.resolve(fail(failureOf(error, job.place))));
  worker.once('exit', () => ended.resolve(CUT_SHORT));
  try {
    return await ended.promise;
  } finally {
    signal.removeEventListener('abort', end);
    await worker.terminate();
  }
}
