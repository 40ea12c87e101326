// A copy of this system in which a script may change everything: overlays in a mount namespace, which end with it.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { requirePart } from './required.ts';

const root = join(import.meta.dirname, '../..');
const CHANGED = ['/etc', '/usr', '/var'];

export const canCopySystem = requirePart(
  'A mount namespace (root, unshare)',
  process.getuid?.() === 0 && existsSync('/usr/bin/unshare'),
  'Run the tests as root on Linux.',
);

/**
 * Runs a shell script in the copy, where nothing is installed yet, and returns its output. `$bin` is a folder at the front of its PATH;
 * systemctl there writes down what it is asked, in the file `$calls`: systemd itself knows nothing of the copy.
 */
export async function runInCopy(script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-system-'));
  const program = `
    mount -t tmpfs tmpfs ${folder}
    for lower in ${CHANGED.join(' ')}; do
      mkdir -p "${folder}$lower/upper" "${folder}$lower/work"
      mount -t overlay overlay -o "lowerdir=$lower,upperdir=${folder}$lower/upper,workdir=${folder}$lower/work" "$lower"
    done
    rm -rf /var/lib/lablink /var/cache/lablink /etc/lablink
    mkdir ${folder}/run ${folder}/bin
    mount --bind ${folder}/run /run
    mkdir -p /run/systemd/system
    bin=${folder}/bin
    calls=${folder}/calls
    echo '#!/bin/sh
echo "$@" >>${folder}/calls' >$bin/systemctl
    chmod +x $bin/systemctl
    PATH=$bin:/usr/sbin:/sbin:$PATH
    ${script}`;
  try {
    const { stdout } = await promisify(execFile)(
      'unshare',
      ['--mount', '--propagation', 'private', 'sh', '-euc', program],
      { cwd: root, env: { PATH: process.env['PATH'] } },
    );
    return stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}
