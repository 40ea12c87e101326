// For an agent outside the container of the participant's desktop: `docker exec` runs start-host, checks that it is there and
// deletes the participant's files. Argument vectors only.
import { fail, succeed, type Result } from '../result.ts';
import type { EmptiedFolder } from './empty-folder.ts';
import type { AgentContainer, AgentOptions } from './options.ts';
import { runProgram, type ProgramEnd } from './program.ts';

type Running = {
  readonly options: Pick<AgentOptions, 'startHost' | 'childEnvironment' | 'forceSignal'>;
  readonly stopping: AbortSignal;
};

const CHECK_MS = 30_000;
const EMPTY_MS = 300_000;
const ROOT = '0';
const REASON_LENGTH = 300;

/** The command that runs start-host in the container as the participant's user; its arguments follow. */
export function startHostWithin(
  { name, user }: AgentContainer,
  startHost: string,
): AgentOptions['startHost'] {
  // docker exec does not pass on the environment: DISPLAY is set again.
  return ['docker', 'exec', '--interactive', '--user', user, '--env', 'DISPLAY=', name, startHost];
}

/** Whether start-host can be run in the container; the failure is a sentence. */
export async function checkStartHostWithin(
  running: Running,
  container: AgentContainer,
): Promise<Result<undefined, string>> {
  const startHost = running.options.startHost.at(-1) ?? '';
  const end = await exec(running, container, container.user, CHECK_MS, ['test', '-x', startHost]);
  if (isSuccess(end) || end.kind === 'stopped') return succeed(undefined);
  const reason = reasonOf(end) || 'it does not exist, or cannot be run';
  return fail(`${startHost} in the container ${container.name}: ${reason}. Participants cannot connect.`);
}

/**
 * Deletes everything in a folder of the container as the container's root: participants may have created files that their
 * own user cannot delete. Links are deleted, not followed; a folder that is a link is refused.
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
  // `test` answers no with exit code 1 and no output; everything else comes from Docker.
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
  return runProgram({
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

/** The end of the output in one line; empty if there is none. */
function reasonOf(end: ProgramEnd): string {
  if (end.kind === 'not_started') return `docker could not be started: ${end.reason}`;
  if (end.kind === 'timed_out') return 'docker exec took too long';
  return end.output.replace(/\s+/g, ' ').trim().slice(-REASON_LENGTH);
}
