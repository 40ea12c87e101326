// Searches a machine: in which container, for which files. Rejects with a VmFailure.
import { listContainers, searchCommand, type SearchedFolder } from './commands.ts';
import { errorLines, VmFailure } from './failure.ts';
import { readListing, type Listing } from './listing.ts';
import type { Session } from './session.ts';
import type { Choice, CollectLimits, FilePlace } from './target.ts';

export type Found = {
  readonly searched: SearchedFolder;
  readonly listing: Listing;
  readonly notes: readonly string[];
};

type Search = {
  readonly session: Session;
  readonly place: FilePlace;
  readonly choice: Choice;
  readonly limits: CollectLimits;
};

const CONTAINER = /^(?<id>[a-f0-9]{6,64}) /;
const CONTAINER_LIST_BYTES = 65_536;
const NOTES = 5;

export async function search(options: Search): Promise<Found> {
  const { place, session, limits } = options;
  if (place.kind === 'folder') return searchFolder(options, { container: null, folder: place.folder });
  const containers = place.name === null ? await runningContainers(session, limits) : [place.name];
  let last: VmFailure | null = null;
  // Usually there is one. If several run, people work in the newest that has the folder.
  for (const container of containers) {
    try {
      return await searchFolder(options, { container, folder: place.folder });
    } catch (error) {
      if (!(error instanceof VmFailure) || error.code !== 'no_folder') throw error;
      last = error;
    }
  }
  throw last ?? new VmFailure('no_container', 'No container runs on the machine.');
}

/** The bytes of a list are counted on the machine: text in the middle of it would be taken for a file. */
function searchOptions({ searchStallMs, searchDripBytes, searchMs }: CollectLimits) {
  return {
    passing: 'counted',
    stallMs: searchStallMs,
    dripBytes: searchDripBytes,
    waitMs: searchMs,
  } as const;
}

function shellPrintsText(user: string): VmFailure {
  return new VmFailure('login_shell', `The login shell of ${user} prints text into the output of commands.`);
}

async function runningContainers(session: Session, limits: CollectLimits): Promise<readonly string[]> {
  const command = await session.start(listContainers, searchOptions(limits));
  let [text, bytes] = ['', 0];
  for (let piece = await command.next(); piece !== null; piece = await command.next()) {
    if (text.length < CONTAINER_LIST_BYTES) text += piece.toString('utf8');
    bytes += piece.length;
  }
  const { end, errors } = await command.ended();
  if (end?.code !== 0)
    throw new VmFailure(
      'no_container',
      `Docker on the machine did not answer: ${reasonOf(errors, end?.code ?? null)}.`,
    );
  if (end.counted !== bytes) throw shellPrintsText(session.user);
  return text.split('\n').flatMap((line) => CONTAINER.exec(line)?.groups?.['id'] ?? []);
}

async function searchFolder({ session, choice, limits }: Search, searched: SearchedFolder): Promise<Found> {
  const command = await session.start(searchCommand(searched), searchOptions(limits));
  const reader = readListing(choice, limits.listingBytes);
  let hasOutput = false;
  try {
    for (let piece = await command.next(); piece !== null; piece = await command.next()) {
      hasOutput = true;
      reader.take(piece);
    }
  } catch (error) {
    command.close();
    throw error;
  }
  const { end, errors } = await command.ended();
  if (end === null) throw new VmFailure('connection_lost', 'The connection was lost during the search.');
  if (end.counted !== reader.bytes()) throw shellPrintsText(session.user);
  if (end.code !== 0 && !hasOutput) throw searchFailure(searched, errors, end.code);
  return { searched, listing: reader.finish(), notes: errorLines(errors, NOTES) };
}

/** Docker and find have no codes: this is the one place that knows their words. */
function searchFailure({ container, folder }: SearchedFolder, errors: string, code: number): VmFailure {
  if (/no such container|is not running/i.test(errors))
    return new VmFailure('no_container', `The container ${container ?? ''} does not run on the machine.`);
  if (/no such file or directory/i.test(errors) && errors.includes('find:')) {
    const where = container === null ? 'on the machine' : `in the container ${container}`;
    return new VmFailure('no_folder', `There is no folder ${folder} ${where}.`);
  }
  return new VmFailure('search_failed', `The search of ${folder} failed: ${reasonOf(errors, code)}.`);
}

function reasonOf(errors: string, code: number | null): string {
  const [first] = errorLines(errors, 1);
  return first === undefined ? `it ended with ${code ?? 'no code'}` : first.replace(/\.$/, '');
}
