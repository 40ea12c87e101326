// The program of the load generator. It runs the jobs that its parent sends, one after another, and ends with its parent.
import type { JobMessage, Jobs, JobKind, ResultMessage } from './jobs.ts';
import { requestAtOnce, requestPaced, rush } from './form-sender.ts';
import { push, stream } from './log-sender.ts';
import { createPolls } from './polls.ts';
import { report, watch } from './steady-sender.ts';

const polls = createPolls();

const work: { readonly [K in JobKind]: (job: Jobs[K]['job']) => Promise<Jobs[K]['result']> } = {
  requestAtOnce,
  wait: async ({ port, hostnames }) => {
    await polls.begin(port, hostnames);
    return { polls: hostnames.length };
  },
  requestPaced: (job) => requestPaced(job, polls),
  rush: (job) => rush(job, polls),
  report,
  watch,
  disconnect: () => {
    polls.disconnect();
    return Promise.resolve({});
  },
  push,
  stream,
};

async function answer({ kind, job }: JobMessage): Promise<ResultMessage> {
  try {
    // `JobMessage` guarantees that `kind` and `job` belong together, but the compiler cannot follow a union of functions.
    const run = work[kind] as (job: unknown) => Promise<Jobs[JobKind]['result']>;
    return { ok: true, result: await run(job) };
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}

process.on('message', (message) => {
  void answer(message as JobMessage).then((result) => process.send!(result));
});
process.on('disconnect', () => process.exit());
