// Commands that come in over a local VM's SSH: run by `sh -c` in the machine's folder, streamed both ways, bounded.
import { spawn } from 'node:child_process';
import type { ServerChannel } from 'ssh2';
import { signalGroup } from '../../process/signal.ts';

export type ExecPlace = {
  /** Where commands run, as a participant's home. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** A command that runs longer is killed. */
  readonly execLimitMs: number;
};

export type RunningCommand = {
  /** Kills it and all that it started. */
  readonly kill: () => void;
  /** Resolves when it has ended and everything is said. */
  readonly ended: Promise<void>;
};

/** As the shell says it: a command that could not be run at all. */
const CANNOT_RUN = 126;

/** Runs one command for one channel, to its end or the channel's. Never rejects. */
export function runCommand(command: string, channel: ServerChannel, place: ExecPlace): RunningCommand {
  // A group of its own, so that what it starts can be killed with it.
  const child = spawn('/bin/sh', ['-c', command], {
    cwd: place.folder,
    env: place.env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const kill = (): void => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    // A client that has stopped reading must not keep it from ending.
    for (const stream of child.stdio) stream?.destroy();
  };
  const limit = setTimeout(kill, place.execLimitMs);
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

  // A command need not read all that it is sent.
  child.stdin.on('error', () => undefined);
  channel.on('error', () => undefined);
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  channel.once('close', kill);
  child.once('error', () => void finish(CANNOT_RUN));
  child.once('close', (code, signal) => void finish(code ?? (signal ?? 'SIGKILL').replace(/^SIG/, '')));
  return { kill, ended: ended.promise };
}

/** Standard error waits for its own window: without this its last words could be cut off by the end of the channel. */
async function endWriting(channel: ServerChannel): Promise<void> {
  const said = Promise.withResolvers<undefined>();
  channel.once('close', () => said.resolve(undefined));
  channel.stderr.end(() => said.resolve(undefined));
  if (channel.destroyed) said.resolve(undefined);
  await said.promise;
}
