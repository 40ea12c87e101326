// How SSH reaches a machine on AWS: the user that Ubuntu's images have, at the usual port.
import type { SshAccess } from '../provider.ts';

export const SSH_USER = 'ubuntu';
const SSH_PORT = 22;

export function reachOf(publicIp: string | null): SshAccess {
  const reach = { sshUser: SSH_USER, sshPort: SSH_PORT };
  return publicIp === null ? reach : { ...reach, address: publicIp };
}
