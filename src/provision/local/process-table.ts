// Which processes of this computer belong to local VMs, whoever started them and whether or not that one still lives.
// A process is known by a mark that the kernel keeps for it, and is told from a later one of its number by its start.
import { execFile } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { promisify } from 'node:util';

/** In the environment of a machine's process, and so of all that it starts: the machine's folder. */
export const MARK_VARIABLE = 'LABLINK_LOCAL_VM';
/** Among the arguments of a machine's process itself: the same. */
export const MARK_ARGUMENT = '--local-vm=';

/** What marks a process: a variable of its environment, or the beginning of its last argument. */
export type Mark = { readonly variable: string; readonly argument: string };

const LOCAL_VM_MARK: Mark = { variable: MARK_VARIABLE, argument: MARK_ARGUMENT };

export type MarkedProcess = {
  readonly pid: number;
  /** When it started, in whatever unit the system counts; with `pid`, no other process has the same. */
  readonly started: string;
  /** The folder of its machine, below the root that was asked for. */
  readonly folder: string;
};

export type ProcessTable = {
  /** The processes whose mark names a folder directly below `root` (an absolute path without links). */
  readonly marked: (root: string) => Promise<MarkedProcess[]>;
};

const PS_TIMEOUT_MS = 10_000;
const PS_OUTPUT_BYTES = 64 * 1024 * 1024;
/** Of /proc/<pid>/stat, counted behind the name: state is 3 in proc_pid_stat(5), starttime 22. */
const STATE_FIELD = 0;
const START_FIELD = 19;
const ENDED_STATES = new Set(['Z', 'X']);

/**
 * The table of this computer. Linux: `/proc`, by environment, so that also what a machine started is found, in whatever
 * session or group. Elsewhere: `ps`, by argument; what a machine started is then found only while the machine lives (it
 * ends with its pipes).
 */
export async function openProcessTable(mark: Mark = LOCAL_VM_MARK): Promise<ProcessTable> {
  const hasProc = await access('/proc/self/environ').then(
    () => true,
    () => false,
  );
  return hasProc ? procTable('/proc', mark) : psTable(mark);
}

function procTable(proc: string, { variable }: Mark): ProcessTable {
  return {
    marked: async (root) => {
      const names = await readdir(proc);
      const found = await Promise.all(
        names
          .filter((name) => /^[0-9]+$/.test(name))
          .map((name) => readMarked(proc, Number(name), root, variable)),
      );
      return found.filter((process) => process !== undefined);
    },
  };
}

/** Undefined for a process that is not ours, that we may not look at, or that has ended. */
async function readMarked(
  proc: string,
  pid: number,
  root: string,
  name: string,
): Promise<MarkedProcess | undefined> {
  const environment = await readFile(`${proc}/${pid}/environ`, 'utf8').catch(() => '');
  const start = `${name}=`;
  const variable = environment.split('\0').find((entry) => entry.startsWith(start));
  const folder = variable === undefined ? undefined : folderBelow(root, variable.slice(start.length));
  if (folder === undefined) return undefined;
  const stat = await readFile(`${proc}/${pid}/stat`, 'utf8').catch(() => '');
  // The name is in parentheses and may hold anything, also a parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const started = fields[START_FIELD];
  if (started === undefined || ENDED_STATES.has(fields[STATE_FIELD] ?? '')) return undefined;
  return { pid, started, folder };
}

function psTable({ argument }: Mark): ProcessTable {
  return {
    marked: async (root) => {
      const { stdout } = await promisify(execFile)('ps', ['-axww', '-o', 'pid=,lstart=,command='], {
        timeout: PS_TIMEOUT_MS,
        maxBuffer: PS_OUTPUT_BYTES,
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      });
      return readPsOutput(stdout, root, argument);
    },
  };
}

/** `lstart` is five words in the C locale: `Mon Nov 23 13:51:19 2026`. */
const PS_LINE = /^\s*(?<pid>\d+)\s+(?<started>\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(?<command>.*)$/;

/** What `ps -o pid=,lstart=,command=` said, as marked processes. A mark is the last argument, since paths have spaces. */
export function readPsOutput(output: string, root: string, argument = MARK_ARGUMENT): MarkedProcess[] {
  return output.split('\n').flatMap((line) => {
    const { pid, started, command } = PS_LINE.exec(line)?.groups ?? {};
    if (pid === undefined || started === undefined || command === undefined) return [];
    const at = command.indexOf(` ${argument}`);
    const folder = at < 0 ? undefined : folderBelow(root, command.slice(at + 1 + argument.length));
    return folder === undefined ? [] : [{ pid: Number(pid), started, folder }];
  });
}

function folderBelow(root: string, folder: string): string | undefined {
  const name = folder.startsWith(root + sep) ? folder.slice(root.length + 1) : '';
  return name === '' || name.includes(sep) ? undefined : join(root, name);
}
