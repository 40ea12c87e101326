// SSH host keys: their text form, and which one a machine must show.
import { createHash } from 'node:crypto';

/** `ssh-ed25519 AAAA…`, as in known_hosts, of a key as SSH sends it, which begins with its type. */
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

/** Ignores comments. */
export function isSameKey(one: string, other: string): boolean {
  return one.split(' ').slice(0, 2).join(' ') === other.split(' ').slice(0, 2).join(' ');
}

/** The signature algorithms of a pinned key: another key that the machine also has is not asked for. */
export function algorithmsFor(line: string): readonly string[] {
  const [type = ''] = line.split(' ');
  return type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type];
}
