// The commands that run on machines, as argument vectors. SSH gives them to a shell, so every argument is quoted. Names of
// files are never arguments: tar reads them from its standard input, separated by zero bytes.
import { commandLine } from '../ssh/frame.ts';

type Arguments = readonly string[];

/** Where the files of a machine are: a folder, in the container that was found or on the machine itself (null). */
export type SearchedFolder = { readonly container: string | null; readonly folder: string };

/** Lists `<id> <name>` of each running container, newest first. */
export const listContainers = commandLine(['sudo', '-n', 'docker', 'ps', '--format', '{{.ID}} {{.Names}}']);

/**
 * Lists every file and link below the folder, whatever its name is: `<blocks> <type> <bytes> <mtime> <path>`, each ended by
 * a zero byte. The folder itself may be a link; other links are not followed.
 */
export function searchCommand(searched: SearchedFolder): string {
  const onlyFilesAndLinks = ['-mindepth', '1', '(', '-type', 'f', '-o', '-type', 'l', ')'];
  return within(searched, [
    'find',
    '-H',
    searched.folder,
    ...onlyFilesAndLinks,
    '-printf',
    '%b %y %s %T@ %P\\0',
  ]);
}

/** Sends the files whose paths are on its standard input, in that order. */
export function sendCommand(searched: SearchedFolder): string {
  const names = ['--null', '--no-unquote', '--no-recursion', '-T', '-'];
  const format = ['--format=gnu', '--blocking-factor=128'];
  return within(searched, ['tar', '-c', '-f', '-', ...format, '-C', searched.folder, ...names]);
}

/** In the C locale, whose messages we know. */
function within({ container }: SearchedFolder, program: Arguments): string {
  const inLocale = ['env', 'LC_ALL=C', ...program];
  if (container === null) return commandLine(inLocale);
  return commandLine(['sudo', '-n', 'docker', 'exec', '-i', '--user', '0', container, ...inLocale]);
}
