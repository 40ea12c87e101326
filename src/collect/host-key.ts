// Which host key a machine may show: the pinned one, or, at first sight, any.
import { createHash } from 'node:crypto';

/** `ssh-ed25519 AAAA…`, as in known_hosts, of a key as SSH sends it; its type is written in its beginning. */
export function hostKeyLine(key: Buffer): string {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0;
  return `${key.subarray(4, 4 + length).toString('latin1')} ${key.toString('base64')}`;
}

/** As `ssh-keygen -l` shows it. */
export function fingerprintOf(line: string): string {
  const [, base64 = ''] = line.split(' ');
  const hash = createHash('sha256').update(Buffer.from(base64, 'base64')).digest('base64');
  return `SHA256:${hash.replace(/=+$/, '')}`;
}

/** Comments aside. */
export function isSameKey(one: string, other: string): boolean {
  return one.split(' ').slice(0, 2).join(' ') === other.split(' ').slice(0, 2).join(' ');
}

/** The signature algorithms that go with a pinned key: another kind of key that the machine has too is not asked for. */
export function algorithmsFor(line: string): readonly string[] {
  const [type = ''] = line.split(' ');
  return type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type];
}
