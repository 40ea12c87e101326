// The state backend (`file://`, `s3://`) in Pulumi's layout: stacks, checkpoints, locks, history.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Failure, unsupported } from './failure.ts';
import { openStorage, type Storage } from './storage.ts';
import { isObject } from './values.ts';

export type StackRef = {
  readonly organization: string;
  readonly project: string;
  /** The short name, as in URNs and on the screen. */
  readonly name: string;
};

export type Backend = {
  readonly stack: StackRef;
  readonly exists: () => boolean;
  readonly readCheckpoint: () => unknown;
  readonly writeCheckpoint: (checkpoint: unknown) => void;
  /** Takes the lock; fails if another process holds it. */
  readonly lock: () => void;
  readonly unlock: () => void;
  /** Removes the locks of all processes. */
  readonly breakLocks: () => void;
  /** The entries, newest first. */
  readonly history: () => unknown[];
  readonly addHistory: (entry: unknown) => void;
};

export function openBackend(stackName: string, cwd: string, env: NodeJS.ProcessEnv): Backend {
  const url = env['PULUMI_BACKEND_URL'] ?? backendOfProject(cwd);
  if (url === undefined) throw unsupported('a state in Pulumi’s own cloud (no backend is named)');
  const stack = stackOf(stackName);
  const storage = openStorage(url, cwd, env);
  const checkpoint = `stacks/${stack.project}/${stack.name}.json`;
  const history = `history/${stack.project}/${stack.name}`;
  return {
    stack,
    exists: () => storage.exists(checkpoint),
    readCheckpoint: () => parseJson(storage.read(checkpoint), 'failed to load checkpoint: place 1: '),
    writeCheckpoint: (value) => {
      if (!storage.exists('meta.yaml')) storage.write('meta.yaml', 'version: 1\n');
      if (storage.exists(checkpoint)) storage.write(`${checkpoint}.bak`, storage.read(checkpoint));
      storage.write(checkpoint, JSON.stringify(value, null, 4));
    },
    ...locksOf(url, storage, stack),
    history: () => {
      const names = storage.list(history).filter((name) => name.endsWith('.history.json'));
      const newestFirst = names.sort().reverse();
      return newestFirst.map((name) => JSON.parse(storage.read(`${history}/${name}`)) as unknown);
    },
    addHistory: (entry) => {
      const at = BigInt(Date.now()) * 1_000_000n;
      const name = `${history}/${stack.name}-${at}`;
      storage.write(`${name}.history.json`, JSON.stringify(entry, null, 4));
      if (!storage.exists(checkpoint)) return;
      const text = storage.read(checkpoint);
      storage.write(`${name}.checkpoint.json`, text);
      storage.write(`backups/${stack.project}/${stack.name}/${stack.name}.${at}.json`, text);
    },
  };
}

function locksOf(
  url: string,
  storage: Storage,
  stack: StackRef,
): Pick<Backend, 'lock' | 'unlock' | 'breakLocks'> {
  const folder = `locks/${stack.organization}/${stack.project}/${stack.name}`;
  const ownLock = `${randomUUID()}.json`;
  const unlock = () => storage.remove(`${folder}/${ownLock}`);
  return {
    lock: () => {
      const { username } = userInfo();
      const lock = { pid: process.pid, username, hostname: hostname(), timestamp: new Date().toISOString() };
      storage.write(`${folder}/${ownLock}`, JSON.stringify(lock));
      const others = storage.list(folder).filter((name) => name !== ownLock);
      if (others.length === 0) return;
      unlock();
      // Like the real engine, it parses every file there, whatever its name, such as those that a full disk has left.
      const lockLines = others.map((name) => {
        const other = parseJson(storage.read(`${folder}/${name}`)) as typeof lock;
        const { pid, username, hostname, timestamp } = other;
        const at = timestamp.replace(/\.\d+Z$/, 'Z');
        return `  ${withoutQuery(url)}/.pulumi/${folder}/${name}?no_tmp_dir=true: created by ${username}@${hostname} (pid ${pid}) at ${at}\n`;
      });
      throw new Failure(
        `the stack is currently locked by ${others.length} lock(s). Either wait for the other process(es) to end or delete the lock file with \`pulumi cancel\`.\n${lockLines.join('')}`,
      );
    },
    unlock,
    breakLocks: () => {
      for (const name of storage.list(folder)) storage.remove(`${folder}/${name}`);
    },
  };
}

/** Fails with the words of the real engine's parser. */
function parseJson(text: string, before = ''): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const isCut = /^\s*(?:\{|$)/.test(text);
    const reason = isCut
      ? 'unexpected end of JSON input'
      : `invalid character '${text.trim().charAt(0)}' looking for beginning of value`;
    throw new Failure(`${before}${reason}\n`);
  }
}

function withoutQuery(url: string): string {
  return url.replace(/\?.*$/, '').replace(/\/$/, '');
}

function stackOf(text: string): StackRef {
  const [organization, project, name, ...rest] = text.split('/');
  if (organization === undefined || project === undefined || name === undefined || rest.length > 0)
    throw unsupported(`the stack name ${text}: organization/project/stack only`);
  return { organization, project, name };
}

function backendOfProject(cwd: string): string | undefined {
  const file = join(cwd, 'Pulumi.yaml');
  if (!existsSync(file))
    throw new Failure('no Pulumi.yaml project file found (searching upwards from ' + cwd + ')');
  const project: unknown = parse(readFileSync(file, 'utf8'));
  const backend = isObject(project) ? project['backend'] : undefined;
  return isObject(backend) && typeof backend['url'] === 'string' ? backend['url'] : undefined;
}
