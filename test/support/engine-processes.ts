// Lists the engine processes of a server, which it finds by their mark and distinguishes by their command lines.
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { ENGINE_MARK } from '../../src/provision/engine/session.ts';
import { openProcessTable } from '../../src/process/process-table.ts';

export type EngineProcess = { readonly pid: number; readonly role: 'child' | 'engine' | 'plugin' };

/** The running engine processes of the server with this data folder. */
export async function engineProcesses(dataDir: string): Promise<EngineProcess[]> {
  const runs = await realpath(join(dataDir, 'aws/runs')).catch(() => null);
  if (runs === null) return [];
  const marked = await (await openProcessTable(ENGINE_MARK)).marked(runs);
  const commands = await Promise.all(
    marked.map(({ pid }) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return marked.map(({ pid }, index) => ({ pid, role: roleOf(commands[index] ?? '') }));
}

function roleOf(command: string): EngineProcess['role'] {
  if (command.includes('child-main.ts')) return 'child';
  return command.includes('pulumi-resource-aws') || command.includes('doubles/aws/') ? 'plugin' : 'engine';
}
