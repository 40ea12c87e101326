// How many files and sockets a process may open. Node raises its soft limit to the hard limit by itself.
import { spawnSync } from 'node:child_process';

export function openFilesLimit(): number {
  const output = spawnSync('/bin/sh', ['-c', 'ulimit -Hn']).stdout.toString().trim();
  return output === 'unlimited' ? Number.POSITIVE_INFINITY : Number(output);
}
