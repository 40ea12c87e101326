// One piece of work with the engine: what it has in its hands, and a session opened for it. Failures are values.
import { mkdir } from 'node:fs/promises';
import { redact } from './redact.ts';
import type { Cloud } from './cloud.ts';
import { CloudError } from './cloud-error.ts';
import type { EngineFact } from './engine/facts.ts';
import { explainFailure, type Failure } from './engine/failure.ts';
import type { EngineState, Order } from './engine/messages.ts';
import { startSession, type EngineSession } from './engine/session.ts';
import { isLeftOver, isLocked, readLock } from './lock.ts';
import type { ProvisionEvent } from '../provider.ts';
import type { AwsSettings } from './settings.ts';
import type { AwsSite } from './site.ts';
import { checkPassphrase } from './state-place.ts';
import { failureOf } from './surroundings.ts';

export type Work = {
  readonly site: AwsSite;
  readonly settings: Pick<AwsSettings, 'region'>;
  readonly cloud: Cloud;
  /** Holds bin/pulumi. */
  readonly cliRoot: string;
  /** Asks for the end. */
  readonly asked: AbortSignal;
  /** Ends it. */
  readonly forced: AbortSignal;
  readonly tell: (event: ProvisionEvent) => void;
  /** What must never be told: tokens. */
  readonly secrets: readonly string[];
};

export type Done<T> = { readonly ok: true; readonly value: T };
export type Failed = { readonly ok: false; readonly failure: Failure; readonly text: string };

export type Engine = {
  /** Null where there is no stack. */
  readonly state: EngineState | null;
  /** Carries an order out. A lock that is surely left over is removed on the way. */
  readonly order: (
    order: Order,
    onFact?: (fact: EngineFact) => void,
  ) => Promise<Done<EngineState | null> | Failed>;
};

type Begun = ReturnType<typeof begin>;

/** A child that is started before it is known what for: it takes a moment to load. */
export type EarlyEngine = AsyncDisposable & {
  /** For `withEngine`; the first time that child, later another one. */
  readonly take: () => Begun;
};

/** Ends the child where nobody took it. */
export function startEarly(work: Work): EarlyEngine {
  let begun: Begun | null = begin(work);
  // What is wrong is told to whoever takes it.
  begun.catch(() => undefined);
  return {
    take: () => {
      const taken = begun ?? begin(work);
      begun = null;
      return taken;
    },
    [Symbol.asyncDispose]: async () => {
      const left = await begun?.catch(() => null);
      if (left?.ok) await left.value.end();
    },
  };
}

async function begin({ site, asked, forced }: Work): Promise<Done<EngineSession> | Failed> {
  const refused = await checkPassphrase(site.state);
  if (refused) return { ok: false, failure: refused, text: '' };
  try {
    await mkdir(site.places.pulumiHome, { recursive: true, mode: 0o700 });
    const session = await startSession({
      runsDir: site.places.runs,
      env: { ...site.env, NODE_COMPILE_CACHE: site.places.compileCache },
      asked,
      forced,
      patience: site.limits,
    });
    return { ok: true, value: session };
  } catch (error) {
    return failedBy(error);
  }
}

/** Opens the stack, does something with it, and leaves nothing running. @param create makes the stack where there is none */
export async function withEngine<T>(
  work: Work,
  create: boolean,
  use: (engine: Engine) => Promise<Done<T> | Failed>,
  begun: Begun = begin(work),
): Promise<Done<T> | Failed> {
  const started = await begun;
  if (!started.ok) return started;
  const session = started.value;
  try {
    const opened = await session.order({ kind: 'open', place: placeOf(work, session.workDir), create });
    if (opened.kind === 'failed') return failed(work, opened.text);
    return await use({
      state: opened.state,
      order: (order, onFact) => orderThroughLock(work, session, order, onFact),
    });
  } finally {
    await session.end();
  }
}

function placeOf({ site, settings, cliRoot }: Work, workDir: string) {
  const { backendUrl, project, stack, secretsProvider, passphrase } = site.state;
  const { pulumiHome } = site.places;
  const { region } = settings;
  return { cliRoot, workDir, pulumiHome, backendUrl, project, stack, secretsProvider, passphrase, region };
}

async function orderThroughLock(
  work: Work,
  session: EngineSession,
  order: Order,
  onFact: ((fact: EngineFact) => void) | undefined,
): Promise<Done<EngineState | null> | Failed> {
  const heard: string[] = [];
  const listen = (fact: EngineFact): void => {
    if (fact.kind === 'said' && fact.level === 'error') heard.push(fact.text);
    onFact?.(fact);
  };
  let answer = await session.order(order, listen);
  if (answer.kind === 'failed' && isLocked(answer.text) && (await unlock(work, session, answer.text)))
    answer = await session.order(order, listen);
  if (answer.kind === 'done') return { ok: true, value: answer.state };
  return failed(work, [answer.text, ...heard].join('\n'));
}

async function unlock({ site, tell }: Work, session: EngineSession, text: string): Promise<boolean> {
  const lock = readLock(text);
  const { host, now, limits, state } = site;
  const judgement = {
    host,
    now: now(),
    alone: state.stackFile !== null,
    deadAfterMs: limits.lockDeadAfterMs,
  };
  if (lock === null || !(await isLeftOver(lock, judgement))) return false;
  tell({
    level: 'warning',
    text: `A run that died (process ${lock.pid} of ${lock.host}) had left its lock on the state; it was removed.`,
  });
  return (await session.order({ kind: 'unlock' })).kind === 'done';
}

function failed({ secrets, site, asked }: Work, said: string): Failed {
  const text = redact(said, [...secrets, ...(site.state.passphrase === null ? [] : [site.state.passphrase])]);
  const failure = explainFailure(text);
  // An engine that was asked to end says all sorts of things.
  if (asked.aborted && failure.kind === 'engine')
    return { ok: false, failure: { ...failure, kind: 'cancelled' }, text };
  return { ok: false, failure, text };
}

/** What the cloud or the file system refuses, as a value; bugs stay thrown. */
export function failedBy(error: unknown): Failed {
  if (error instanceof CloudError) return { ok: false, failure: failureOf(error), text: error.message };
  if (error instanceof Error && 'syscall' in error)
    return { ok: false, failure: explainFailure(error.message), text: error.message };
  throw error;
}
