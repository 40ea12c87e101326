// Where the participant's desktop is in a container and the agent on the machine around it: start-host is run, looked for
// and cleared up after by `docker exec`. Argument vectors only; what a participant has made is touched from within alone.
import type { EmptiedFolder } from './empty-folder.ts';
import type { AgentContainer, AgentOptions } from './options.ts';
import { runProgram, type ProgramEnd } from './program.ts';

type Running = {
  readonly options: Pick<AgentOptions, 'startHost' | 'childEnvironment' | 'world' | 'forceSignal'>;
  readonly stopping: AbortSignal;
};

const LOOK_MS = 30_000;
const EMPTY_MS = 300_000;
const ROOT = '0';
const REASON_LENGTH = 300;

/** The command that runs start-host within the container, as the participant's user; its arguments follow. */
export function startHostWithin(
  { name, user }: AgentContainer,
  startHost: string,
): AgentOptions['startHost'] {
  // The command's own environment stays outside: DISPLAY is said again.
  return ['docker', 'exec', '--interactive', '--user', user, '--env', 'DISPLAY=', name, startHost];
}

/** A sentence, or null where start-host is there to be run. */
export async function whyNotReadyWithin(running: Running, container: AgentContainer): Promise<string | null> {
  const startHost = running.options.startHost.at(-1) ?? '';
  const end = await exec(running, container, container.user, LOOK_MS, ['test', '-x', startHost]);
  if (isSuccess(end) || end.kind === 'stopped') return null;
  const reason = reasonOf(end) || 'it is not there, or cannot be run';
  return `${startHost} in the container ${container.name}: ${reason}; participants could not be connected`;
}

/**
 * Empties a folder of the container, not the folder itself, as the container's root: participants may have made files
 * that their own user cannot remove. Links are removed, not followed; a folder that is one is refused.
 */
export async function emptyFolderWithin(
  running: Running,
  container: AgentContainer,
  folder: string,
): Promise<EmptiedFolder> {
  const run = (...args: readonly string[]) => exec(running, container, ROOT, EMPTY_MS, args);
  if (isSuccess(await run('test', '-L', folder)))
    return { removed: null, failures: [`${folder}: is a link`] };
  const listed = await run('test', '-d', folder);
  // `test` says no with 1 and says nothing; whatever else ends otherwise is Docker's.
  if (listed.kind === 'exited' && listed.code === 1 && listed.output.trim() === '')
    return { removed: null, failures: [] };
  if (!isSuccess(listed)) return { removed: null, failures: [`${folder}: ${reasonOf(listed)}`] };
  const end = await run('find', folder, '-xdev', '-mindepth', '1', '-delete');
  return { removed: null, failures: isSuccess(end) ? [] : [`${folder}: ${reasonOf(end)}`] };
}

function exec(
  { options, stopping }: Running,
  container: AgentContainer,
  user: string,
  timeoutMs: number,
  args: readonly string[],
): Promise<ProgramEnd> {
  return runProgram(options.world, {
    program: 'docker',
    args: ['exec', '--user', user, container.name, ...args],
    input: '',
    environment: options.childEnvironment,
    timeoutMs,
    stopSignal: stopping,
    forceSignal: options.forceSignal,
  });
}

function isSuccess(end: ProgramEnd): boolean {
  return end.kind === 'exited' && end.code === 0;
}

/** The last words of what failed, in one line; nothing where it said nothing. */
function reasonOf(end: ProgramEnd): string {
  if (end.kind === 'not_started') return `docker could not be started: ${end.reason}`;
  if (end.kind === 'timed_out') return 'docker exec took too long';
  return end.output.replace(/\s+/g, ' ').trim().slice(-REASON_LENGTH);
}
