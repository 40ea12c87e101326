// One run of Pulumi: its inputs and signals, the session that is opened for it, and what its machines report. Expected
// failures are returned. Knows no cloud.
import { mkdir } from 'node:fs/promises';
import { scrubText } from '../../log/scrub.ts';
import { compileCacheOr } from '../../process/compile-cache.ts';
import { fail, succeed, type Result } from '../../result.ts';
import type { ProvisionEvent } from '../provider.ts';
import { ENGINE_DIED, reasonIn, readLock, type EngineCause, type RunFailure } from './failure.ts';
import { isStale, removeUnreadableLocks } from './lock.ts';
import type { CommandResult, EngineCloud, EngineCommand, EngineFact, EngineState } from './messages.ts';
import { checkPassphrase } from './passphrase-check.ts';
import { startSession, type EngineSession, type SessionTimeouts } from './session.ts';
import type { StateBackend } from './state-backend.ts';

/** What is the same in every run. */
export type EngineContext = {
  readonly backend: StateBackend;
  readonly folders: {
    /** The folders of the sessions. */
    readonly runs: string;
    /** Pulumi's own folder, with its plugins. */
    readonly pulumiHome: string;
    /** Node's compile cache for the modules of the child process, unless this process has one. */
    readonly compileCache: string;
  };
  /** The environment of Pulumi: the server's own, without the variables that only the server reads. */
  readonly env: Readonly<Record<string, string>>;
  readonly host: string;
  readonly now: () => Date;
  readonly limits: EngineLimits;
};

/** All in milliseconds. */
export type EngineLimits = SessionTimeouts & {
  /** A lock of another host is stale after this time. */
  readonly lockStaleMs: number;
};

/** What a provider tells about its cloud. */
export type PulumiProvider = {
  readonly cloud: EngineCloud;
  /** Turns what Pulumi and the cloud printed into a failure. */
  readonly explain: (output: string) => RunFailure;
};

export type EngineRun = {
  readonly context: EngineContext;
  readonly pulumi: PulumiProvider;
  /** The environment variables that Pulumi's plugin for the cloud reads. */
  readonly pluginEnv: Readonly<Record<string, string>>;
  /** Contains bin/pulumi. */
  readonly cliRoot: string;
  /** Cancels the run: Pulumi finishes what it has started. */
  readonly cancelSignal: AbortSignal;
  /** Kills the run. */
  readonly killSignal: AbortSignal;
  readonly emit: (event: ProvisionEvent) => void;
  /** Hides the tokens and the passphrase in a text of Pulumi or the cloud. */
  readonly redact: (text: string) => string;
};

/** A shorter secret would hide ordinary words in every line. */
const SECRET_LENGTH_MIN = 6;

export function createRedact(secrets: readonly (string | null)[]): EngineRun['redact'] {
  const known = secrets.flatMap((secret) =>
    secret !== null && secret.length >= SECRET_LENGTH_MIN ? [secret] : [],
  );
  return (text) => scrubText(known.reduce((hidden, secret) => hidden.replaceAll(secret, '[redacted]'), text));
}

export type Engine = {
  /** Null if there is no stack. */
  readonly state: EngineState | null;
  readonly execute: (
    command: EngineCommand,
    onFact?: (fact: EngineFact) => void,
  ) => Promise<Result<EngineState | null, RunFailure>>;
};

type Opened = Result<{ readonly session: EngineSession; readonly state: EngineState | null }, RunFailure>;

/** A stack that is opened before it is needed, because that takes a few seconds. */
export type EarlySession = AsyncDisposable & {
  /** The early one the first time, then a new one each time. */
  readonly take: () => Promise<Opened>;
};

/** Disposing ends the session if nobody took it. For an `up`. */
export function openEarly(run: EngineRun): EarlySession {
  let opening: Promise<Opened> | null = open(run, true);
  // `take` rejects with the error; here it would be an unhandled rejection.
  opening.catch(() => undefined);
  return {
    take: () => {
      const taken = opening ?? open(run, true);
      opening = null;
      return taken;
    },
    [Symbol.asyncDispose]: async () => {
      const unused = await opening?.catch(() => null);
      if (unused?.ok) await unused.value.session.end();
    },
  };
}

async function open(run: EngineRun, preload: boolean): Promise<Opened> {
  const { context, cancelSignal, killSignal } = run;
  const { backend, folders, env, limits } = context;
  const checked = await checkPassphrase(backend);
  if (!checked.ok) return checked;
  try {
    await removeTornLocks(run);
    await mkdir(folders.pulumiHome, { recursive: true, mode: 0o700 });
    const session = await startSession({
      runsDir: folders.runs,
      env: { ...env, NODE_COMPILE_CACHE: compileCacheOr(folders.compileCache) },
      cancelSignal,
      killSignal,
      timeouts: limits,
    });
    const opened = await session.execute({
      kind: 'open',
      workspace: workspaceOf(run, session.workDir),
      preload,
    });
    if (opened.kind === 'done') return succeed({ session, state: opened.state });
    await session.end();
    return explain(run, opened);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return fail(run.pulumi.explain(error.message));
  }
}

function workspaceOf({ context, pulumi, pluginEnv, cliRoot }: EngineRun, workDir: string) {
  const { backendUrl, project, stack, secretsProvider, passphrase } = context.backend;
  const { pulumiHome } = context.folders;
  const place = { cliRoot, workDir, pulumiHome, backendUrl, project, stack, secretsProvider, passphrase };
  return { ...place, cloud: pulumi.cloud, env: pluginEnv };
}

/** We hold the lease of the operation: a lock that nobody can read is none of a living run. */
async function removeTornLocks({ context, emit }: EngineRun): Promise<void> {
  for (const name of await removeUnreadableLocks(context.backend.lockFolder))
    emit({
      level: 'warning',
      text: `The lock ${name} on the Pulumi state cannot be read: it was cut short. It was removed.`,
    });
}

/** Opens the stack for `use`, and ends every process afterwards. */
export async function withEngine<T>(
  run: EngineRun,
  use: (engine: Engine) => Promise<Result<T, RunFailure>>,
  opening: Promise<Opened> = open(run, false),
): Promise<Result<T, RunFailure>> {
  const opened = await opening;
  if (!opened.ok) return opened;
  const { session, state } = opened.value;
  try {
    return await use({ state, execute: (command, onFact) => execute(run, session, command, onFact) });
  } finally {
    await session.end();
  }
}

async function execute(
  run: EngineRun,
  session: EngineSession,
  command: EngineCommand,
  onFact: ((fact: EngineFact) => void) | undefined,
): Promise<Result<EngineState | null, RunFailure>> {
  const errors: string[] = [];
  const attempt = async (): Promise<CommandResult> => {
    const result = await session.execute(command, (fact) => {
      if (fact.kind === 'output' && fact.level === 'error') errors.push(fact.text);
      onFact?.(fact);
    });
    return result.kind === 'done' ? result : { ...result, output: [result.output, ...errors].join('\n') };
  };
  let result = await attempt();
  if (result.kind === 'failed' && (await removeLock(run, session, result.output))) result = await attempt();
  return result.kind === 'done' ? succeed(result.state) : explain(run, result);
}

/** Removes a lock that no living run holds. False if there is none: then the same command would fail again. */
async function removeLock(run: EngineRun, session: EngineSession, output: string): Promise<boolean> {
  const { context, pulumi, emit } = run;
  const causes: readonly string[] = pulumi.explain(output).causes ?? [];
  const isCause = (cause: EngineCause): boolean => causes.includes(cause);
  const lock = isCause('state_locked') ? readLock(output) : null;
  const { host, now, limits, backend } = context;
  const isPrivateState = backend.stackFile !== null;
  const stale = { host, now: now(), isPrivateState, staleAfterMs: limits.lockStaleMs };
  if (lock !== null && (await isStale(lock, stale)))
    emit({
      level: 'warning',
      text: `A run that died (process ${lock.pid} on ${lock.host}) left a lock on the Pulumi state. The lock was removed.`,
    });
  else if (isCause('lock_unreadable'))
    emit({ level: 'warning', text: 'A lock on the Pulumi state cannot be read. The lock was removed.' });
  else return false;
  return (await session.execute({ kind: 'unlock' })).kind === 'done';
}

function explain(
  { pulumi, redact, cancelSignal }: EngineRun,
  { output, engineDied }: Extract<CommandResult, { kind: 'failed' }>,
): Result<never, RunFailure> {
  const explained = pulumi.explain(redact(output));
  const failure = engineDied === true && (explained.causes ?? []).length === 0 ? ENGINE_DIED : explained;
  // The output of a cancelled run does not always say that it was cancelled.
  const isCancelled = cancelSignal.aborted && failure.code === 'engine';
  return fail(isCancelled ? { ...failure, code: 'cancelled' } : failure);
}

const texts = {
  create: { level: 'warning', started: 'Creating the machine.', failed: 'The machine was not created' },
  delete: { level: 'error', started: 'Terminating the machine.', failed: 'The machine was not terminated' },
} as const;

type FinishedFact = Extract<EngineFact, { kind: 'finished' }>;

/**
 * Executes a command that creates or deletes machines, and emits its output.
 * @returns the result, and the output about failed machines by hostname
 */
export async function executeAndEmit(
  { emit, redact }: EngineRun,
  engine: Engine,
  command: EngineCommand,
  action: keyof typeof texts,
  onFinished: (fact: FinishedFact) => Promise<void>,
): Promise<{ result: Result<EngineState | null, RunFailure>; failures: ReadonlyMap<string, string> }> {
  const { level, started, failed } = texts[action];
  const finishing: Promise<void>[] = [];
  const failures = new Map<string, string>();
  const result = await engine.execute(command, (fact) => {
    // The output about a machine is repeated when the machine fails.
    if (fact.kind === 'output' && fact.hostname === null)
      emit({ level: fact.level, text: redact(fact.text) });
    if (fact.kind === 'started' && fact.action === action)
      emit({ level: 'info', hostname: fact.hostname, text: started });
    if (fact.kind === 'failed') {
      const output = redact(fact.text);
      failures.set(fact.hostname, output);
      emit({ level, hostname: fact.hostname, text: `${failed}: ${reasonIn(output)}` });
    }
    if (fact.kind === 'finished' && fact.action === action) finishing.push(onFinished(fact));
  });
  await Promise.all(finishing);
  return { result, failures };
}
