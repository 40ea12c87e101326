// Finds the processes of this computer that carry a mark, no matter who started them or whether the parent still runs.
// The mark names a folder: in the environment (inherited by all children), and as the last command-line argument.
import { execFile } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { promisify } from 'node:util';

/** The name of the environment variable, and the prefix of the argument. */
export type ProcessMark = { readonly variable: string; readonly argument: string };

export type MarkedProcess = {
  readonly pid: number;
  /** Start time, in a unit of the operating system; `pid` and `started` together are unique. */
  readonly started: string;
  /** The folder that the mark names. */
  readonly folder: string;
};

export type ProcessTable = {
  /** The processes whose mark names a folder directly below `root` (an absolute path without links). */
  readonly marked: (root: string) => Promise<MarkedProcess[]>;
};

const PS_TIMEOUT_MS = 10_000;
const PS_OUTPUT_BYTES = 64 * 1024 * 1024;
/** Fields of /proc/<pid>/stat after the name: state is field 3 in proc_pid_stat(5), starttime field 22. */
const STATE_FIELD = 0;
const START_FIELD = 19;
const ENDED_STATES = new Set(['Z', 'X']);

/**
 * Linux: reads the environments in `/proc`, which also finds child processes in any session or group. Elsewhere: reads the
 * arguments in `ps`, which finds only the marked process itself (its children end with its pipes).
 */
export async function openProcessTable(mark: ProcessMark): Promise<ProcessTable> {
  const hasProc = await access('/proc/self/environ').then(
    () => true,
    () => false,
  );
  return hasProc ? procTable('/proc', mark) : psTable(mark);
}

function procTable(proc: string, { variable }: ProcessMark): ProcessTable {
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

/** Undefined if the process has no such mark, may not be read, or has ended. */
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
  // The name is in parentheses and may itself contain a parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const started = fields[START_FIELD];
  if (started === undefined || ENDED_STATES.has(fields[STATE_FIELD] ?? '')) return undefined;
  return { pid, started, folder };
}

function psTable({ argument }: ProcessMark): ProcessTable {
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

/** Parses `ps -o pid=,lstart=,command=`. The mark is the last argument, because a path may contain spaces. */
export function readPsOutput(output: string, root: string, argument: string): MarkedProcess[] {
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
