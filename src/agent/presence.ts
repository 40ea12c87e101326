// The machine's status, as the allocator is told it: announced at first, again when it changes, and again when the
// allocator has forgotten the machine.
import { access, constants } from 'node:fs/promises';
import type { Schemas } from '../client/client.ts';
import { whyNotReadyWithin } from './container.ts';
import type { Memory } from './memory.ts';
import type { AgentOptions } from './options.ts';
import { untilAnswered, type RetryDependencies } from './retry.ts';
import { createBell } from './turn.ts';

type Status = Schemas['ReportedStatus'];

export type Presence = {
  /** Resolves once the allocator knows the machine, or the agent stops. */
  readonly announced: Promise<void>;
  /** Moves with every status that was accepted: it may have given birth to a machine of which nothing else is known. */
  readonly births: number;
  /** The allocator does not know the machine (any more), or may have thought it lost. */
  tellAgain(): void;
  /** Something is wrong with the machine (a sentence), or right again (null). */
  setFault(sentence: string | null): void;
  run(): Promise<void>;
};

export type PresenceDependencies = RetryDependencies & {
  readonly options: AgentOptions;
  readonly memory: Memory;
  readonly stopping: AbortSignal;
};

export function createPresence(dependencies: PresenceDependencies): Presence {
  const { options, memory, stopping } = dependencies;
  const bell = createBell(options.world.clock);
  const announced = Promise.withResolvers<undefined>();
  stopping.addEventListener('abort', () => announced.resolve(undefined), { once: true });
  if (stopping.aborted) announced.resolve(undefined);
  let accepted: Status | null = null;
  let births = 0;
  let fault: string | null = null;

  function tellAgain(): void {
    accepted = null;
    bell.ring();
  }

  async function report(status: Status): Promise<void> {
    if (!(await reportStatus(dependencies, status))) return;
    accepted = status;
    births += 1;
    announced.resolve(undefined);
  }

  /** An agent that is restarted within a boot does not make its machine look as if it were starting. */
  async function announceBoot(): Promise<void> {
    if (memory.content.announcedBootId === options.bootId) return;
    await report('initializing');
    if (accepted !== null) await memory.change(() => ({ announcedBootId: options.bootId }));
  }

  async function run(): Promise<void> {
    await announceBoot();
    while (!stopping.aborted) {
      const wrong = fault ?? (await whyNotReady(dependencies));
      if (wrong === null) dependencies.troubles.over('this machine');
      else dependencies.troubles.tell('this machine', wrong);
      const status = wrong === null ? 'running' : 'error';
      if (status !== accepted) await report(status);
      await bell.wait(
        accepted === null ? options.intervals.refusedMs : options.intervals.readinessMs,
        stopping,
      );
    }
  }

  return {
    announced: announced.promise,
    get births() {
      return births;
    },
    tellAgain,
    setFault(sentence) {
      fault = sentence;
      bell.ring();
    },
    run,
  };
}

/** Tells the status until it is answered; false where it was refused, or the agent stops. */
async function reportStatus(dependencies: PresenceDependencies, status: Status): Promise<boolean> {
  const { options, stopping } = dependencies;
  const { log } = options.world;
  const body = { hostname: options.hostname, status };
  const answer = await untilAnswered(
    dependencies,
    'reporting the status',
    (client, signal) => client.POST('/api/vm-status', { body, signal }),
    stopping,
  );
  if (answer?.kind === 'refused') log.error(`the status was refused (${answer.status}): ${answer.detail}`);
  if (answer?.kind === 'ok') log.info(`reported ${status}`);
  return answer?.kind === 'ok';
}

/** A name without a slash is looked for on the PATH when it is run; there is nothing to look at before. */
async function whyNotReady(dependencies: PresenceDependencies): Promise<string | null> {
  const { container, startHost } = dependencies.options;
  if (container !== null) return whyNotReadyWithin(dependencies, container);
  const [program] = startHost;
  if (!program.includes('/')) return null;
  try {
    await access(program, constants.X_OK);
    return null;
  } catch {
    return `${program} is not there, or cannot be run: participants could not be connected`;
  }
}
