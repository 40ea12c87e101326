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

/** What Windows takes for a separator or refuses, and what changes how the rest of the name looks. */
const UNSAFE = /[\\:*?"<>|\p{Cc}\p{Cf}]/gu;
/** Windows drops them. */
const LAST_DOTS_AND_SPACES = /[. ]+$/;
/** Devices of Windows, with any extension. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$)/i;

/** The names of an archive that are taken, as a file system compares them that knows no case. */
export type TakenNames = Map<string, 'file' | 'folder'>;

/**
 * The name of a machine's file in the archive, below this folder, and whether it is exactly the path of the file. Every step can be unpacked on
 * Windows and macOS; names that would be one there get a number.
 */
export function archiveName(
  top: string,
  path: Buffer,
  taken: TakenNames,
): { readonly name: string; readonly isExact: boolean } {
  const steps = decodeName(path).split('/').map(safeStep);
  const file = steps.pop() ?? '';
  let folder = top;
  for (const step of steps) {
    folder = free(`${folder}/${step}`, (name) => taken.get(keyOf(name)) !== 'file');
    taken.set(keyOf(folder), 'folder');
  }
  const name = free(`${folder}/${file}`, (each) => !taken.has(keyOf(each)));
  taken.set(keyOf(name), 'file');
  return { name, isExact: Buffer.from(name).equals(Buffer.concat([Buffer.from(`${top}/`), path])) };
}

/** The name of a folder that can be unpacked everywhere, from any text. */
export function folderName(text: string): string {
  return safeStep(text.replaceAll('/', '_'));
}

function safeStep(step: string): string {
  const shown = step.replaceAll(UNSAFE, '_').replace(LAST_DOTS_AND_SPACES, (last) => '_'.repeat(last.length));
  return DEVICE.test(shown) ? `_${shown}` : shown;
}

/** The name, or the first one with a number before its extension that is free. */
function free(wanted: string, isFree: (name: string) => boolean): string {
  const [, stem = wanted, extension = ''] = /^(.*[^/])(\.[^./]+)$/s.exec(wanted) ?? [];
  let name = wanted;
  for (let number = 2; !isFree(name); number++) name = `${stem} (${number})${extension}`;
  return name;
}

function keyOf(name: string): string {
  return name.normalize('NFC').toUpperCase().toLowerCase();
}
