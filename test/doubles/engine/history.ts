// An entry in the history of a stack, as printed by `stack history --json`.
import type { Flags } from './flags.ts';
import type { RunCommand } from './run.ts';
import { VERSION } from './snapshot.ts';

const KINDS = { up: 'update', destroy: 'destroy', refresh: 'refresh' } as const;

export function historyEntry(
  command: RunCommand,
  details: {
    readonly flags: Flags;
    readonly env: NodeJS.ProcessEnv;
    /** Milliseconds since 1970. */
    readonly startedAt: number;
    readonly result: string;
    readonly changes: Readonly<Record<string, number>>;
  },
): unknown {
  const variables = Object.entries(details.env).filter(([name]) => name.startsWith('PULUMI_'));
  return {
    version: 0,
    kind: KINDS[command],
    startTime: inSeconds(details.startedAt),
    message: details.flags.value('message') ?? '',
    environment: {
      'exec.kind': details.flags.value('exec-kind') ?? '',
      'pulumi.arch': process.arch === 'x64' ? 'amd64' : process.arch,
      ...Object.fromEntries(
        variables.map(([name, value]) => [
          `pulumi.env.${name}`,
          value === 'true' && name !== 'PULUMI_AUTOMATION_API' ? value : 'set',
        ]),
      ),
      ...Object.fromEntries(
        details.flags
          .names()
          .map((name) => [`pulumi.flag.${name}`, details.flags.value(name) === undefined ? 'true' : 'set']),
      ),
      'pulumi.os': process.platform,
      'pulumi.version': VERSION,
      'stack.environments': '[]',
      updatePlan: 'false',
    },
    config: {},
    result: details.result,
    endTime: inSeconds(Date.now()),
    resourceChanges: details.changes,
  };
}

function inSeconds(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString();
}
