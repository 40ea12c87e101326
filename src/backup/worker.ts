// A thread that makes one backup, so that encryption does not slow the requests of the server down. Started by in-thread.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { makeBackup } from './make.ts';
import { jobSchema } from './thread-messages.ts';

parentPort?.postMessage(await makeBackup(jobSchema.parse(workerData)));
