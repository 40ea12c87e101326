// One run of Pulumi: its inputs and signals, and a session that is opened for it. Expected failures are returned.
import { mkdir } from 'node:fs/promises';
import { scrubText } from '../../log/scrub.ts';
import { fail, succeed, type Result } from '../../result.ts';
import type { ProvisionEvent } from '../provider.ts';
import type { Cloud } from './cloud.ts';
import { CloudError } from './cloud-error.ts';
import type { AwsContext } from './context.ts';
import { lastLine, readLock, type RunFailure } from '../engine/failure.ts';
import { isStale } from '../engine/lock.ts';
import type {
  CommandResult,
  EngineCommand,
  EngineFact,
  EngineState,
  WorkspaceSettings,
} from '../engine/messages.ts';
import { startSession, type EngineSession } from '../engine/session.ts';
import { checkPassphrase } from '../engine/passphrase-check.ts';
import { explainOutput, hasCause } from './failure.ts';
import { AWS_CLOUD, pluginEnvironment } from './pulumi.ts';

export type EngineRun = {
  readonly context: AwsContext;
  readonly region: string;
  readonly cloud: Cloud;
  /** Contains bin/pulumi. */
  readonly cliRoot: string;
  /** Cancels the run: Pulumi finishes what it has started. */
  readonly cancelSignal: AbortSignal;
  /** Kills the run. */
  readonly killSignal: AbortSignal;
  readonly emit: (event: ProvisionEvent) => void;
  /** Hides the tokens and the passphrase in a text of Pulumi or AWS. */
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
  /** Removes a stale lock of the state, if the command meets one. */
  readonly execute: (
    command: EngineCommand,
    onFact?: (fact: EngineFact) => void,
  ) => Promise<Result<EngineState | null, RunFailure>>;
};

type StartedSession = Result<EngineSession, RunFailure>;

/** A session that is started before it is needed, because the child takes a moment to load. */
export type EarlySession = AsyncDisposable & {
  /** The early session the first time, then a new one each time. */
  readonly take: () => Promise<StartedSession>;
};

/** Disposing ends the session if nobody took it. */
export function startEarlySession(run: EngineRun): EarlySession {
  let starting: Promise<StartedSession> | null = start(run);
  // `take` rejects with the error; here it would be an unhandled rejection.
  starting.catch(() => undefined);
  return {
    take: () => {
      const taken = starting ?? start(run);
      starting = null;
      return taken;
    },
    [Symbol.asyncDispose]: async () => {
      const unused = await starting?.catch(() => null);
      if (unused?.ok) await unused.value.end();
    },
  };
}

async function start({ context, cancelSignal, killSignal }: EngineRun): Promise<StartedSession> {
  const { backend, folders, env, limits } = context;
  const checked = await checkPassphrase(backend);
  if (!checked.ok) return checked;
  try {
    await mkdir(folders.pulumiHome, { recursive: true, mode: 0o700 });
    const session = await startSession({
      runsDir: folders.runs,
      env: { ...env, NODE_COMPILE_CACHE: folders.compileCache },
      cancelSignal,
      killSignal,
      timeouts: limits,
    });
    return succeed(session);
  } catch (error) {
    return failureOf(error);
  }
}

/** Opens the stack for `use`, and ends every process afterwards. @param create creates a missing stack */
export async function withEngine<T>(
  run: EngineRun,
  create: boolean,
  use: (engine: Engine) => Promise<Result<T, RunFailure>>,
  starting: Promise<StartedSession> = start(run),
): Promise<Result<T, RunFailure>> {
  const started = await starting;
  if (!started.ok) return started;
  const session = started.value;
  try {
    const workspace = workspaceOf(run, session.workDir);
    const opened = await session.execute({ kind: 'open', workspace, create });
    if (opened.kind === 'failed') return explain(run, opened.output);
    const { state } = opened;
    return await use({ state, execute: (command, onFact) => execute(run, session, command, onFact) });
  } finally {
    await session.end();
  }
}

function workspaceOf({ context, region, cliRoot }: EngineRun, workDir: string): WorkspaceSettings {
  const { backendUrl, project, stack, secretsProvider, passphrase } = context.backend;
  const { pulumiHome } = context.folders;
  const env = pluginEnvironment(region);
  return {
    ...{ cliRoot, workDir, pulumiHome, backendUrl, project, stack, secretsProvider, passphrase },
    ...{ cloud: AWS_CLOUD, env },
  };
}

async function execute(
  run: EngineRun,
  session: EngineSession,
  command: EngineCommand,
  onFact: ((fact: EngineFact) => void) | undefined,
): Promise<Result<EngineState | null, RunFailure>> {
  const errors: string[] = [];
  const listener = (fact: EngineFact): void => {
    if (fact.kind === 'output' && fact.level === 'error') errors.push(fact.text);
    onFact?.(fact);
  };
  const outputOf = (result: CommandResult): string =>
    result.kind === 'failed' ? [result.output, ...errors].join('\n') : '';
  let result = await session.execute(command, listener);
  if (result.kind === 'failed' && (await removeStaleLock(run, session, outputOf(result))))
    result = await session.execute(command, listener);
  return result.kind === 'done' ? succeed(result.state) : explain(run, outputOf(result));
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
      emit({ level, hostname: fact.hostname, text: `${failed}: ${lastLine(output)}` });
    }
    if (fact.kind === 'finished' && fact.action === action) finishing.push(onFinished(fact));
  });
  await Promise.all(finishing);
  return { result, failures };
}

async function removeStaleLock(run: EngineRun, session: EngineSession, output: string): Promise<boolean> {
  if (!hasCause(explainOutput(output), 'state_locked')) return false;
  const lock = readLock(output);
  const { host, now, limits, backend } = run.context;
  const isPrivateState = backend.stackFile !== null;
  const context = { host, now: now(), isPrivateState, staleAfterMs: limits.lockStaleMs };
  if (lock === null || !(await isStale(lock, context))) return false;
  run.emit({
    level: 'warning',
    text: `A run that died (process ${lock.pid} on ${lock.host}) left a lock on the Pulumi state. The lock was removed.`,
  });
  return (await session.execute({ kind: 'unlock' })).kind === 'done';
}

function explain({ redact, cancelSignal }: EngineRun, output: string): Result<never, RunFailure> {
  const failure = explainOutput(redact(output));
  // The output of a cancelled run does not always say that it was cancelled.
  const isCancelled = cancelSignal.aborted && failure.code === 'engine';
  return fail(isCancelled ? { ...failure, code: 'cancelled' } : failure);
}

/** Returns errors of AWS and of the file system as failures; throws everything else. */
export function failureOf(error: unknown): Result<never, RunFailure> {
  if (error instanceof CloudError) return fail(error.failure);
  if (error instanceof Error && 'syscall' in error) return fail(explainOutput(error.message));
  throw error;
}
