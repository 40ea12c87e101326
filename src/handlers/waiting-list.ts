// The waiting list: joining and leaving it, and what admins see and change.
import type { components } from '../contract/openapi.gen.ts';
import { callerName } from '../contract/caller.ts';
import type { Caller, HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError, type ProblemReply } from '../contract/problems.ts';
import { viewerOf } from '../contract/role.ts';
import { readLabFacts } from '../db/lab-facts.ts';
import type { JoinResult } from '../db/joining.ts';
import type { PlaceAction, PlaceRecord } from '../db/waiting-list.ts';
import { changePlace, findPlace, leaveList, listPlaces } from '../db/waiting-list.ts';
import { renderIndex } from '../pages/index-page.ts';
import { sentenceOf } from '../pages/problem.ts';
import { renderWaitingList } from '../pages/waiting-list.ts';
import { normalizeEmail, withoutInvisible } from '../vms/email.ts';
import { needsCode } from '../vms/workshop-settings.ts';
import { missingMachines, PRESENT_SECONDS, queueSentence } from '../vms/waiting.ts';
import { noteRefusal, refusalOf, type AdmissionDependencies, type Refusal } from './admission.ts';
import { readLab } from './lab.ts';
import { json, page, see } from './replies.ts';
import { pinLocked, waitOf, wrongPin } from './wrong-pin.ts';
import {
  findOwnPlace,
  lookAtPlace,
  placeView,
  takePlace,
  type WaitingDependencies,
} from './waiting-place.ts';

type WaitingList = components['schemas']['WaitingList'];
export type WaitingListDependencies = WaitingDependencies &
  AdmissionDependencies & {
    readonly site?: string;
    readonly operations: { readonly provider: { readonly creates: boolean } };
  };

const INDEX = '/';
const LIST_PAGE = '/admin/waiting-list';

export function createWaitingListHandlers(dependencies: WaitingListDependencies): HandlersOf<'waiting'> {
  const { db } = dependencies;
  const act = (input: ActionInput, action: PlaceAction) => changeList(dependencies, input, action);
  return {
    joinWaitingList: (input) => join(dependencies, input),
    getWaitingPlace: async (input) => {
      const place = await ownPlace(dependencies, input);
      if (!place) return problem('place_not_found');
      const isOwn = input.browserId !== null && place.browsers.includes(input.browserId);
      return json(
        isOwn
          ? await lookAtPlace(dependencies, place)
          : placeView(place, place.bestEstimateStep, dependencies),
      );
    },
    leaveWaitingList: async (input) => {
      const place = await ownPlace(dependencies, input);
      // A participant's second click, or one in another tab.
      if (!place && input.accept === 'text/html' && input.caller.kind !== 'admin') return see(INDEX);
      if (!place) throw new ProblemError('place_not_found');
      await leaveList(db, place.id);
      if (place.reservedVm !== null) await dependencies.reserve();
      return input.accept === 'text/html' ? see(INDEX) : json({ message: 'You have left the waiting list.' });
    },
    getWaitingList: async () => json(await readList(dependencies)),
    callWaiting: (input) => act(input, { kind: 'call' }),
    moveWaiting: (input) => act(input, { kind: 'move', to: input.body.to }),
    removeWaiting: (input) => act(input, { kind: 'remove' }),
    waitingListPage: async ({ caller }) => page(await listPage(dependencies, caller)),
  };
}

/** @param isGone the person who was meant is not on the list any more */
async function listPage(
  dependencies: WaitingListDependencies,
  caller: Caller,
  { isGone = false }: { readonly isGone?: boolean } = {},
): Promise<string> {
  const { now, site, operations } = dependencies;
  return renderWaitingList({
    list: await readList(dependencies),
    launches: operations.provider.creates,
    now: now(),
    viewer: viewerOf(caller),
    isGone,
    site,
  });
}

/** Of this browser, or any for admins. */
async function ownPlace(
  { db }: WaitingListDependencies,
  { path, browserId, caller }: Pick<Input<'getWaitingPlace'>, 'path' | 'browserId' | 'caller'>,
): Promise<PlaceRecord | null> {
  const place = await findPlace(db, path.id);
  if (!place || caller.kind === 'admin') return place;
  return browserId !== null && place.browsers.includes(browserId) ? place : null;
}

type JoinInput = Input<'joinWaitingList'>;

async function join(
  dependencies: WaitingListDependencies,
  input: JoinInput,
): Promise<Reply<'joinWaitingList'>> {
  const email = normalizeEmail(input.body.email);
  if (email === null) {
    const message = 'This is not an e-mail address. Enter only the address, such as ada@example.org.';
    return refuse(
      dependencies,
      input,
      problem('invalid_request', { errors: [{ field: 'email', code: 'format', message }] }),
    );
  }
  const browserId = input.browserId ?? dependencies.randomUuid();
  const refusal = await refusalOf(dependencies, { email, browserId, code: input.body.code ?? '' });
  if (refusal) {
    await noteRefusal(dependencies, refusal, email);
    return refuse(dependencies, input, refusal);
  }
  const joined = await takePlace(dependencies, {
    email,
    browserId,
    givenPin: withoutInvisible(input.body.pin ?? '').trim() || null,
    network: input.network,
    wantsMail:
      input.body.notify === undefined ? undefined : dependencies.sendsEmail && input.body.notify === 'yes',
  });
  if (!('id' in joined)) return refuse(dependencies, input, joinRefusal(joined));
  if (input.accept === 'text/html') return see(INDEX);
  const place = await findOwnPlace(dependencies, joined);
  return place ? json(place) : refuse(dependencies, input, problem('overloaded'));
}

/** Why somebody has no place. */
export function joinRefusal(
  result: Exclude<JoinResult, { readonly id: string }>,
): ProblemReply<'place_code_required' | 'waiting_list_full' | 'too_many_places' | 'too_many_pin_attempts'> {
  switch (result.kind) {
    case 'full':
      return problem('waiting_list_full');
    case 'too_many':
      return problem('too_many_places');
    case 'code_required':
      return problem('place_code_required', {
        errors: [
          { field: 'pin', code: 'required', message: 'Enter the code that is shown with your place.' },
        ],
      });
    case 'pin_wrong':
      return problem('place_code_required', {
        detail:
          'This is not the code of your place on the waiting list. Try again, or ask your instructor to remove the place.',
        errors: [{ field: 'pin', code: 'mismatch', message: wrongPin('code', result.triesLeft) }],
      });
    case 'pin_locked':
      return pinLocked('codes', result.retryAfterSeconds);
  }
}

/** JSON clients get the problem, HTML clients the form page with the message. */
async function refuse(
  dependencies: WaitingListDependencies,
  input: JoinInput,
  rejection: ReturnType<typeof joinRefusal> | Refusal | ProblemReply<'invalid_request' | 'overloaded'>,
): Promise<Reply<'joinWaitingList'>> {
  if (input.accept === 'application/json') return rejection;
  const { code, errors = [] } = rejection.body;
  const workshop = await dependencies.settings.read();
  return page(
    renderIndex({
      lab: await readLab(dependencies),
      workshop,
      askForCode: needsCode(workshop),
      error: {
        message: sentenceOf(rejection.body),
        fields: Object.fromEntries(errors.map(({ field, message }) => [field, message])),
        retryAfterSeconds: waitOf(rejection),
      },
      values: { email: input.body.email },
      askForPin: code === 'place_code_required' || code === 'too_many_pin_attempts',
      pinOf: 'place',
      mine: [],
    }),
  );
}

type ListedPlace = Awaited<ReturnType<typeof listPlaces>>[number];

type ActionInput = Pick<Input<'callWaiting'>, 'path' | 'caller' | 'accept'>;

async function changeList(
  dependencies: WaitingListDependencies,
  { path, caller, accept }: ActionInput,
  action: PlaceAction,
) {
  const by = callerName(caller);
  const isThere = await changePlace(dependencies.db, { id: path.id, by }, action);
  if (isThere) await dependencies.reserve();
  if (accept !== 'text/html')
    return isThere ? json(await readList(dependencies)) : problem('place_not_found');
  if (isThere) return see(LIST_PAGE);
  // A second click, or another tab: the list as it is now says more than "not found".
  return {
    status: 404,
    type: 'text/html',
    body: await listPage(dependencies, caller, { isGone: true }),
  } as const;
}

async function readList({ db, now }: WaitingListDependencies): Promise<WaitingList> {
  const [places, facts] = await Promise.all([listPlaces(db), readLabFacts(db)]);
  const waiting = places.filter(({ state }) => state === 'waiting').length;
  const missing = missingMachines({ ...facts, waiting });
  const nowMs = now().getTime();
  return {
    items: places.map((place) => personView(place, nowMs)),
    waiting,
    missing,
    message: queueSentence(waiting, missing),
  };
}

function personView(place: ListedPlace, nowMs: number): WaitingList['items'][number] {
  const { presentAt } = place;
  return {
    id: place.id,
    email: place.email,
    ...(place.name !== '' && { name: place.name }),
    state: place.state,
    since: place.since.toISOString(),
    is_present: presentAt !== null && nowMs - presentAt.getTime() < PRESENT_SECONDS * 1_000,
    is_called: place.isCalled,
    present_at: presentAt?.toISOString() ?? null,
    hostname: place.reservedVm,
    reserved_until: place.reservedUntil?.toISOString() ?? null,
    missed: place.missed,
  };
}
