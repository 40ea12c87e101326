// How many sockets a process of this machine may hold. Node raises its own limit to the hard one by itself.
import { spawnSync } from 'node:child_process';

export function openFilesLimit(): number {
  const said = spawnSync('/bin/sh', ['-c', 'ulimit -Hn']).stdout.toString().trim();
  return said === 'unlimited' ? Number.POSITIVE_INFINITY : Number(said);
}
