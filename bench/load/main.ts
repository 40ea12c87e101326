// The load generator: a process of its own that does one job after another, as its parent tells it, and ends with it.
import type { JobMessage, Jobs, JobKind, ResultMessage } from './jobs.ts';
import { pour, push } from './log-sender.ts';
import { ask, tell } from './people.ts';
import { createPolls } from './polls.ts';

const polls = createPolls();

const work: { readonly [K in JobKind]: (job: Jobs[K]['job']) => Promise<Jobs[K]['result']> } = {
  ask,
  wait: async ({ port, hostnames }) => {
    await polls.begin(port, hostnames);
    return { polls: hostnames.length };
  },
  tell: (job) => tell(job, polls),
  leave: () => {
    polls.leave();
    return Promise.resolve({});
  },
  push,
  pour,
};

async function answer({ kind, job }: JobMessage): Promise<ResultMessage> {
  try {
    // The message pairs the two; a union of functions is more than the compiler follows.
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
