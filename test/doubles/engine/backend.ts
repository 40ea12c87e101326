// The `file://` backend in Pulumi's own layout: which stack is meant, its checkpoint, its locks, its history.
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { Failure, beyond } from './failure.ts';
import { isObject } from './values.ts';

export type StackRef = {
  readonly organization: string;
  readonly project: string;
  /** The short name, which people and URNs see. */
  readonly name: string;
};

export type Backend = {
  readonly stack: StackRef;
  readonly exists: () => boolean;
  readonly readCheckpoint: () => unknown;
  readonly writeCheckpoint: (checkpoint: unknown) => void;
  /** Takes the lock, or fails because somebody has it. */
  readonly lock: () => void;
  readonly unlock: () => void;
  /** Removes every lock, whoever holds it. */
  readonly breakLocks: () => void;
  /** The newest first. */
  readonly history: () => unknown[];
  readonly addHistory: (entry: unknown) => void;
};

export function openBackend(stackName: string, cwd: string, env: NodeJS.ProcessEnv): Backend {
  const url = env['PULUMI_BACKEND_URL'] ?? backendOfProject(cwd);
  if (!url?.startsWith('file://')) throw beyond(`a state at ${url ?? '(no backend)'}: file:// only`);
  const stack = stackOf(stackName);
  const root = join(pathOf(url, cwd), '.pulumi');
  const checkpoint = join(root, 'stacks', stack.project, `${stack.name}.json`);
  const history = join(root, 'history', stack.project, stack.name);
  return {
    stack,
    exists: () => existsSync(checkpoint),
    readCheckpoint: () => JSON.parse(readFileSync(checkpoint, 'utf8')) as unknown,
    writeCheckpoint: (value) => {
      if (!existsSync(join(root, 'meta.yaml'))) write(join(root, 'meta.yaml'), 'version: 1\n');
      write(checkpoint, JSON.stringify(value, null, 4));
    },
    ...locksOf(url, root, stack),
    history: () =>
      list(history)
        .filter((name) => name.endsWith('.history.json'))
        .sort()
        .reverse()
        .map((name) => JSON.parse(readFileSync(join(history, name), 'utf8')) as unknown),
    addHistory: (entry) => {
      const name = join(
        history,
        `${stack.name}-${process.hrtime.bigint() + BigInt(Date.now()) * 1_000_000n}`,
      );
      write(`${name}.history.json`, JSON.stringify(entry, null, 4));
      if (existsSync(checkpoint)) write(`${name}.checkpoint.json`, readFileSync(checkpoint, 'utf8'));
    },
  };
}

function locksOf(
  url: string,
  root: string,
  stack: StackRef,
): Pick<Backend, 'lock' | 'unlock' | 'breakLocks'> {
  const parts = ['locks', stack.organization, stack.project, stack.name];
  const folder = join(root, ...parts);
  const ours = `${randomUUID()}.json`;
  const unlock = () => rmSync(join(folder, ours), { force: true });
  return {
    lock: () => {
      const { username } = userInfo();
      const lock = { pid: process.pid, username, hostname: hostname(), timestamp: new Date().toISOString() };
      write(join(folder, ours), JSON.stringify(lock));
      const others = list(folder).filter((name) => name !== ours && name.endsWith('.json'));
      if (others.length === 0) return;
      unlock();
      const told = others.map((name) => {
        const { pid, username, hostname, timestamp } = readLock(join(folder, name));
        const at = timestamp.replace(/\.\d+Z$/, 'Z');
        return `  ${url.replace(/\/$/, '')}/.pulumi/${parts.join('/')}/${name}?no_tmp_dir=true: created by ${username}@${hostname} (pid ${pid}) at ${at}\n`;
      });
      throw new Failure(
        `the stack is currently locked by ${others.length} lock(s). Either wait for the other process(es) to end or delete the lock file with \`pulumi cancel\`.\n${told.join('')}`,
      );
    },
    unlock,
    breakLocks: () => {
      for (const name of list(folder)) rmSync(join(folder, name), { force: true });
    },
  };
}

function stackOf(text: string): StackRef {
  const [organization, project, name, ...rest] = text.split('/');
  if (organization === undefined || project === undefined || name === undefined || rest.length > 0)
    throw beyond(`the stack name ${text}: organization/project/stack only`);
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

function pathOf(url: string, cwd: string): string {
  const path = url.slice('file://'.length);
  return path.startsWith('/') ? fileURLToPath(url) : resolve(cwd, path);
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function readLock(path: string): { pid: number; username: string; hostname: string; timestamp: string } {
  return JSON.parse(readFileSync(path, 'utf8')) as ReturnType<typeof readLock>;
}

/** Whole or not at all. */
function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openSync(temporary, 'w');
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}
