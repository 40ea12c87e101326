// A machine is entered and searched: which container, which files. Rejects with a VmFailure.
import type { Patience } from './channel.ts';
import { listContainers, searchCommand, type FoundPlace } from './commands.ts';
import { oneLine, VmFailure } from './failure.ts';
import { readListing, type Listing } from './listing.ts';
import type { Session } from './session.ts';
import type { Choice, CollectLimits, Place } from './target.ts';

export type Found = {
  readonly place: FoundPlace;
  readonly listing: Listing;
  readonly notes: readonly string[];
};

type Search = {
  readonly session: Session;
  readonly place: Place;
  readonly choice: Choice;
  readonly limits: CollectLimits;
};

const CONTAINER = /^(?<id>[a-f0-9]{6,64}) /;
const CONTAINER_LIST_BYTES = 65_536;
const NOTES = 5;

export async function search(parts: Search): Promise<Found> {
  const { place, session, limits } = parts;
  if (place.kind === 'folder') return searchIn(parts, { container: null, folder: place.folder });
  const containers = place.name === null ? await runningContainers(session, limits) : [place.name];
  let last: VmFailure | null = null;
  // Usually there is one. Of several, the newest that has the folder is the one that people work in.
  for (const container of containers) {
    try {
      return await searchIn(parts, { container, folder: place.folder });
    } catch (error) {
      if (!(error instanceof VmFailure) || error.kind !== 'no_folder') throw error;
      last = error;
    }
  }
  throw last ?? new VmFailure('no_container', 'No container runs on the machine.');
}

function patienceOf({ searchStallMs, searchDripBytes, searchMs }: CollectLimits): Patience {
  return { stallMs: searchStallMs, dripBytes: searchDripBytes, waitMs: searchMs };
}

async function runningContainers(session: Session, limits: CollectLimits): Promise<readonly string[]> {
  const running = await session.start(listContainers, patienceOf(limits));
  let text = '';
  for (let piece = await running.next(); piece !== null; piece = await running.next())
    if (text.length < CONTAINER_LIST_BYTES) text += piece.toString('utf8');
  const { code, errors } = await running.ended();
  if (code !== 0)
    throw new VmFailure('no_container', `Docker on the machine gave no answer: ${said(errors, code)}.`);
  return text.split('\n').flatMap((line) => CONTAINER.exec(line)?.groups?.['id'] ?? []);
}

async function searchIn({ session, choice, limits }: Search, place: FoundPlace): Promise<Found> {
  const running = await session.start(searchCommand(place), patienceOf(limits));
  const reader = readListing(choice, limits.listingBytes);
  let any = false;
  try {
    for (let piece = await running.next(); piece !== null; piece = await running.next()) {
      any = true;
      reader.take(piece);
    }
  } catch (error) {
    running.close();
    throw error;
  }
  const { code, errors } = await running.ended();
  if (code === null)
    throw new VmFailure('connection_lost', 'The machine was lost while its disk was searched.');
  if (code !== 0 && !any) throw notSearched(place, errors, code);
  const notes = errors
    .split('\n')
    .map(oneLine)
    .filter((line) => line !== '');
  return { place, listing: reader.finish(), notes: notes.slice(0, NOTES) };
}

function notSearched({ container, folder }: FoundPlace, errors: string, code: number): VmFailure {
  if (/no such container|is not running/i.test(errors))
    return new VmFailure('no_container', `The container ${container ?? ''} does not run on the machine.`);
  if (/no such file or directory/i.test(errors) && errors.includes('find:'))
    return new VmFailure(
      'no_folder',
      `There is no folder ${folder} ${container === null ? 'on the machine' : `in the container ${container}`}.`,
    );
  return new VmFailure('search_failed', `The machine could not search ${folder}: ${said(errors, code)}.`);
}

function said(errors: string, code: number | null): string {
  const [first = ''] = errors
    .split('\n')
    .map(oneLine)
    .filter((line) => line !== '');
  return first === '' ? `it ended with ${code ?? 'no code'}` : first.replace(/\.$/, '');
}
