// What the child is told to do, done with the Automation API: one order after the other on one stack.
import { setTimeout as delay } from 'node:timers/promises';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import type { EngineEvent } from '@pulumi/pulumi/automation/events.js';
import { LocalWorkspace } from '@pulumi/pulumi/automation/index.js';
import type { EngineFact } from '../engine/facts.ts';
import type { Answer, Order } from '../engine/messages.ts';
import { noMemory, reduceEvent } from '../engine/reduce-event.ts';
import { installCommand } from './command.ts';
import { openStack, type OpenStack } from './stack.ts';

type TellFact = (fact: EngineFact) => void;

/** Longer without an engine's process, in the middle of an order, and the engine has died: its pipes may be held open. */
const DEAD_AFTER_CHECKS = 4;
const CHECK_MS = 1_000;

let opened: OpenStack | null = null;

/** Throws what the engine or the API throws; the message is all that they said. */
export async function carryOut(order: Order, asked: AbortSignal, tell: TellFact): Promise<Answer> {
  if (order.kind === 'install') return install(order);
  if (order.kind === 'open') {
    opened = await openStack(order.place, order.create, asked);
    const reading = opened?.readState();
    // Whoever makes the stack goes on with the program: it is loaded while the CLI is waited for. What fails, fails there.
    if (order.create) loadProgram().catch(() => undefined);
    return { kind: 'done', state: (await reading) ?? null };
  }
  if (opened === null) throw new Error('There is no open stack.');
  const open = opened;
  const watch = new AbortController();
  try {
    return await Promise.race([run(open, order, asked, tell), engineDied(watch.signal)]);
  } finally {
    watch.abort();
  }
}

type Run = Exclude<Order, { kind: 'open' } | { kind: 'install' }>;

async function run(open: OpenStack, order: Run, asked: AbortSignal, tell: TellFact): Promise<Answer> {
  const { stack } = open;
  if (order.kind === 'unlock') {
    await stack.cancel();
    return { kind: 'done', state: await open.readState() };
  }
  const listening = listen(tell);
  const options = { onEvent: listening.onEvent, signal: asked, showSecrets: false };
  if (order.kind === 'up') {
    const { clientVms } = await loadProgram();
    asked.throwIfAborted();
    await stack.up({ ...options, program: clientVms(order.spec) });
  } else if (order.kind === 'destroy') await stack.destroy(options);
  else await stack.refresh({ ...options, clearPendingCreates: true });
  // An engine that ends with exit status 0 in the middle of its work has not succeeded.
  if (!listening.succeeded()) throw new Error('The engine ended without a summary that says it succeeded.');
  return { kind: 'done', state: await open.readState() };
}

function listen(tell: TellFact): { onEvent: (event: EngineEvent) => void; succeeded: () => boolean } {
  let memory = noMemory;
  let succeeded = false;
  return {
    succeeded: () => succeeded,
    onEvent: (event) => {
      const reduced = reduceEvent(memory, event, performance.now());
      ({ memory } = reduced);
      for (const fact of reduced.facts) {
        if (fact.kind === 'summary') ({ succeeded } = fact);
        tell(fact);
      }
    },
  };
}

/** Loaded late: the program brings the AWS package with it. */
function loadProgram(): Promise<typeof import('../../../../infra/client-vms.ts')> {
  return import('../../../../infra/client-vms.ts');
}

/** Throws when no process of ours is left while the engine should be at work. Linux only: elsewhere, force ends it. */
async function engineDied(signal: AbortSignal): Promise<never> {
  let without = 0;
  while (without < DEAD_AFTER_CHECKS) {
    await delay(CHECK_MS, undefined, { signal });
    without = (await hasChildren()) ? 0 : without + 1;
  }
  throw new Error('The engine died.');
}

async function hasChildren(): Promise<boolean> {
  const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8').catch(() => 'unknown');
  return children.trim() !== '';
}

async function install({ place, pluginVersion }: Extract<Order, { kind: 'install' }>): Promise<Answer> {
  if (place.cliRoot === null) throw new Error('A place for the CLI is needed.');
  const pulumiCommand = await installCommand(place.cliRoot);
  const { workDir, pulumiHome } = place;
  const workspace = await LocalWorkspace.create({ workDir, pulumiHome, pulumiCommand });
  await workspace.installPlugin('aws', `v${pluginVersion}`);
  return { kind: 'done', state: null };
}
