// The processes of a harness, found by the mark in their environment, whoever their parent is.
import { basename, join } from 'node:path';
import { openProcessTable } from '../../src/process/process-table.ts';
import { postgresIn } from '../support/leftovers.ts';

const MARK = { variable: 'LABLINK_CHAOS', argument: '--lablink-chaos=' };

/** For the environment of a process and of all its children. */
export function processMark(folder: string, name: string): Record<string, string> {
  return { [MARK.variable]: join(folder, name) };
}

/** All that run, except these. */
export async function processesOf(
  folder: string,
  except: readonly (number | null)[] = [],
): Promise<string[]> {
  const marked = await (await openProcessTable(MARK)).marked(folder);
  return marked
    .filter(({ pid }) => !except.includes(pid))
    .map(({ pid, folder: of }) => `process ${pid} of ${basename(of)} still runs`);
}

export function postgresOf(folder: string): string[] {
  return postgresIn(folder).map(({ pid }) => `Postgres ${pid} still runs`);
}
