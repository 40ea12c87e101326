// Names of files: bytes on the machines, paths in the archive. Pure.

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const PATH_BYTES_MAX = 16_384;

/** As text: UTF-8, or, where the bytes are no UTF-8, each byte as one Latin-1 letter, as old programs write them. */
export function decodeName(path: Buffer): string {
  try {
    return utf8.decode(path);
  } catch {
    return path.toString('latin1');
  }
}

/** Whether a path stays below the folder: relative, no zero byte, no step that is empty, `.` or `..`, not endless. */
export function isSafePath(path: Buffer): boolean {
  if (path.length === 0 || path.length > PATH_BYTES_MAX || path.includes(0)) return false;
  const steps = path.toString('latin1').split('/');
  return steps.every((step) => step !== '' && step !== '.' && step !== '..');
}

/**
 * The name of a machine's file in the archive, and whether it is exactly the path of the file. A backslash becomes `_`, because
 * archiver and Windows take it for a slash. A name that is taken already gets a number: two names of bytes can be the
 * same letters.
 */
export function archiveName(
  hostname: string,
  path: Buffer,
  taken: Set<string>,
): { readonly name: string; readonly isExact: boolean } {
  const wanted = `${hostname}/${decodeName(path).replaceAll('\\', '_')}`;
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted} (${number})`;
  taken.add(name);
  return { name, isExact: Buffer.from(name).equals(Buffer.concat([Buffer.from(`${hostname}/`), path])) };
}
