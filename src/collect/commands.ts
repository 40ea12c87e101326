// The commands that machines are asked to run, as argument vectors of ours. SSH hands them to a shell, so every argument
// is quoted; names of files never stand in them: tar is told those on its standard input, between zero bytes.

type Arguments = readonly string[];

/** A machine's place, once it is known which container. */
export type FoundPlace = { readonly container: string | null; readonly folder: string };

/** Lists `<id> <name>` of each running container, the newest first. */
export const listContainers = commandLine(['sudo', '-n', 'docker', 'ps', '--format', '{{.ID}} {{.Names}}']);

/**
 * Every file and link below the folder, whatever it is called: `<type> <bytes> <mtime> <path>` and a zero byte each. The
 * folder itself may be a link; no other is followed.
 */
export function searchCommand(place: FoundPlace): string {
  const onlyFilesAndLinks = ['-mindepth', '1', '(', '-type', 'f', '-o', '-type', 'l', ')'];
  return inPlace(place, ['find', '-H', place.folder, ...onlyFilesAndLinks, '-printf', '%y %s %T@ %P\\0']);
}

/** The files that its standard input names, in the order of that list. */
export function sendCommand(place: FoundPlace): string {
  const names = ['--null', '--no-unquote', '--no-recursion', '-T', '-'];
  const format = ['--format=gnu', '--blocking-factor=128'];
  return inPlace(place, ['tar', '-c', '-f', '-', ...format, '-C', place.folder, ...names]);
}

/** In the one language whose messages and bytes we know. */
function inPlace({ container }: FoundPlace, program: Arguments): string {
  const said = ['env', 'LC_ALL=C', ...program];
  if (container === null) return commandLine(said);
  return commandLine(['sudo', '-n', 'docker', 'exec', '-i', '--user', '0', container, ...said]);
}

/** One line for a POSIX shell: each argument arrives as it is. */
export function commandLine(args: Arguments): string {
  return args.map(quote).join(' ');
}

function quote(argument: string): string {
  return /^[A-Za-z0-9_./=-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}
