// Names of files as machines have them, which are bytes, and as the archive has them, which are paths. Pure.

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const PATH_BYTES_MAX = 16_384;

/** UTF-8, or, where the bytes are none, each byte a letter: what old programs write. */
export function decodeName(name: Buffer): string {
  try {
    return utf8.decode(name);
  } catch {
    return name.toString('latin1');
  }
}

/** Whether a path stays below the folder: relative, no step that is empty, `.` or `..`, no zero byte, not endless. */
export function isSafePath(path: Buffer): boolean {
  if (path.length === 0 || path.length > PATH_BYTES_MAX || path.includes(0)) return false;
  const steps = path.toString('latin1').split('/');
  return steps.every((step) => step !== '' && step !== '.' && step !== '..');
}

/** `name`, or `name (2)` where that is taken: two names of bytes can be the same letters. */
export function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name} (${number})`;
  taken.add(free);
  return free;
}
