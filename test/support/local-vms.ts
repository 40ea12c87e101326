// What runs of the local VMs below a folder, seen from outside: the operating system says who listens, and who carries a mark.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { openProcessTable, type MarkedProcess } from '../../src/process/process-table.ts';
import { LOCAL_VM_MARK } from '../../src/provision/local/host-protocol.ts';
import { readVmFile, vmPaths } from '../../src/provision/local/vm-folder.ts';

const LISTENING = '0A';

/**
 * One entry for each VM whose SSH port is listened to, with the process that does, and one for each command. A process of VMs
 * that listens to nothing yet, and a port that no VM has recorded, have entries with names that no VM has.
 */
export async function runningVms(root: string): Promise<MarkedProcess[]> {
  const marked = await (await openProcessTable(LOCAL_VM_MARK)).marked(root);
  const ports = await recordedPorts(root);
  const entries = await Promise.all(
    marked.map(async (found) => {
      if (!basename(found.folder).startsWith('.')) return [found];
      const listened = await listenedPorts(found.pid);
      if (listened.length === 0) return [found];
      return listened.map((port) => ({ ...found, folder: join(root, ports.get(port) ?? `.port-${port}`) }));
    }),
  );
  return entries.flat();
}

async function recordedPorts(root: string): Promise<ReadonlyMap<number, string>> {
  const names = await readdir(root).catch(() => []);
  const files = await Promise.all(names.map((name) => readVmFile(vmPaths(join(root, name)).vmFile)));
  return new Map(files.flatMap((file) => (file?.sshPort ? [[file.sshPort, file.hostname] as const] : [])));
}

/** The ports that a process listens to on IPv4. proc_pid_net(5) */
async function listenedPorts(pid: number): Promise<number[]> {
  const table = await readFile(`/proc/${pid}/net/tcp`, 'utf8').catch(() => '');
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const targets = await Promise.all(
    descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')),
  );
  const own = new Set(targets);
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      return state === LISTENING && own.has(`socket:[${inode}]`)
        ? [Number.parseInt(local.split(':')[1] ?? '', 16)]
        : [];
    });
}
