// Commands over the SSH server of a local VM: run by `sh -c` in its folder, streamed in both directions, with a time limit.
import { spawn } from 'node:child_process';
import type { ServerChannel } from 'ssh2';
import { signalGroup } from '../../process/signal.ts';

export type ExecOptions = {
  /** The working folder, like the home of a participant. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** A command that runs longer is killed. */
  readonly execLimitMs: number;
};

export type RunningCommand = {
  /** Undefined if it could not be started. */
  readonly pid: number | undefined;
  /** Kills it and its children. */
  readonly kill: () => void;
  /** Resolves when it has ended and all output is sent. */
  readonly ended: Promise<void>;
};

/** The exit code that shells use if a command cannot be run. */
const CANNOT_RUN = 126;

/** Runs one command until it ends or its channel closes. Never rejects. */
export function runCommand(command: string, channel: ServerChannel, options: ExecOptions): RunningCommand {
  // A group of its own, so that its children can be killed with it.
  const child = spawn('/bin/sh', ['-c', command], {
    cwd: options.folder,
    env: options.env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const kill = (): void => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    // A client that does not read must not delay the end.
    for (const stream of child.stdio) stream?.destroy();
  };
  const limit = setTimeout(kill, options.execLimitMs);
  const ended = Promise.withResolvers<undefined>();
  const finish = async (result: number | string): Promise<void> => {
    clearTimeout(limit);
    channel.off('close', kill);
    await endWriting(channel);
    if (typeof result === 'number') channel.exit(result);
    else channel.exit(result);
    channel.end();
    ended.resolve(undefined);
  };

  // A command need not read all its input.
  child.stdin.on('error', () => undefined);
  channel.on('error', () => undefined);
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  channel.once('close', kill);
  child.once('error', () => void finish(CANNOT_RUN));
  child.once('close', (code, signal) => void finish(code ?? (signal ?? 'SIGKILL').replace(/^SIG/, '')));
  return { pid: child.pid, kill, ended: ended.promise };
}

/** Standard error has its own window: without this, the end of the channel could cut off its last lines. */
async function endWriting(channel: ServerChannel): Promise<void> {
  const written = Promise.withResolvers<undefined>();
  channel.once('close', () => written.resolve(undefined));
  channel.stderr.end(() => written.resolve(undefined));
  if (channel.destroyed) written.resolve(undefined);
  await written.promise;
}
