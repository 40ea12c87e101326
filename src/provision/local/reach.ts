// How SSH reaches a local VM, from what its file says.
import { readSshKeyPair } from '../../ssh/key-pair.ts';
import type { SshAccess } from '../provider.ts';
import type { MachineFile } from './machine-file.ts';

const LOOPBACK = '127.0.0.1';

/** Without a port where the machine was never up. */
export function machineReach({ sshUser, sshPort, sshHostKey }: MachineFile): SshAccess {
  const pair = readSshKeyPair(sshHostKey);
  return {
    address: LOOPBACK,
    sshUser,
    ...(sshPort === null ? {} : { sshPort }),
    ...(pair === undefined ? {} : { sshHostKey: pair.publicKey }),
  };
}
