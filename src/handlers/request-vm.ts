// Requests for a VM: validates the form, claims a VM or finds the existing one, and answers with a page or JSON.
import type { Handler, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError, type FieldError, type ProblemReply } from '../contract/problems.ts';
import { findAssignment } from '../db/assignments.ts';
import type { Db } from '../db/connect.ts';
import { findPlaceOfBrowser } from '../db/waiting-list.ts';
import { requestVm, type RequestBounds, type VmRequest, type VmRequestResult } from '../db/request.ts';
import { renderIndex } from '../pages/index-page.ts';
import { sentenceOf } from '../pages/problem.ts';
import { renderSuccess } from '../pages/success.ts';
import { parseCrdCommand } from '../vms/crd-command.ts';
import { normalizeEmail, withoutInvisible } from '../vms/email.ts';
import { makePin } from '../vms/pin.ts';
import { needsCode } from '../vms/workshop-settings.ts';
import { describeFailure, fail, succeed, type Result } from '../result.ts';
import {
  admitsAnybody,
  noteRefusal,
  refusalOf,
  type AdmissionDependencies,
  type Refusal,
} from './admission.ts';
import { guessPin, type PinLimit } from './guess-pin.ts';
import type { Lab } from './lab.ts';
import { readOwnFiles } from './own-files.ts';
import { json, page } from './replies.ts';
import { assignmentView, type Clock } from './views.ts';
import { joinRefusal } from './waiting-list.ts';
import { findOwnPlace, lookAtPlace, openPlace, takePlace } from './waiting-place.ts';
import { pinLocked, waitOf, wrongPin } from './wrong-pin.ts';

export type RequestVmDependencies = AdmissionDependencies & {
  readonly db: Db;
  readonly now: Clock;
  readonly codeLifetimeMs: number;
  /** The NOTIFY channel. */
  readonly channel: string;
  readonly randomInt: (below: number) => number;
  readonly randomUuid: () => string;
  readonly requestBounds: RequestBounds;
  readonly pinLimit: PinLimit;
  /** How many places on the waiting list one browser may have; 0 = any number. */
  readonly placesPerBrowser: number;
  readonly readLab: () => Promise<Lab>;
  /** How each request for a machine ended. */
  readonly onClaim?: ((outcome: Admitted['kind']) => void) | undefined;
  /** Reserves what is free now for the waiting list. */
  readonly reserve: () => Promise<void>;
  /** Whether a mail server is configured. */
  readonly sendsEmail: boolean;
};

type RequestInput = Input<'requestVm'>;
/** Why a form is rejected: a problem in JSON, and a message on the form page. */
type Rejection =
  | Refusal
  | ProblemReply<
      | 'invalid_request'
      | 'invalid_crd_command'
      | 'none_free'
      | 'place_code_required'
      | 'waiting_list_full'
      | 'too_many_places'
      | 'too_many_vms'
      | 'pin_required'
      | 'too_many_pin_attempts'
    >;
type Typed = { readonly email: string; readonly crdCommand: string };
/** By settings that still hold. */
type Admitted = Exclude<VmRequestResult, { readonly kind: 'outdated' }>;
type Found = Extract<VmRequestResult, { readonly kind: 'assigned' | 'returned' }>;

export function requestVmHandler(dependencies: RequestVmDependencies): Handler<'requestVm'> {
  return async (input) => {
    const form = readForm(input.body);
    if (!form.ok) return reject(dependencies, input, form.failure);
    const typed = form.value;
    const { address, network } = input;
    const givenPin = withoutInvisible(input.body.pin ?? '').trim() || null;
    const browserId = input.browserId ?? dependencies.randomUuid();
    const { code = '' } = input.body;
    const { signal } = input;
    const request: Asking = { ...typed, givenPin, browserId, address, network, code, signal };
    const { refusal, result } = await admitAndClaim(dependencies, request);
    if (result.kind === 'none_free') return wait(dependencies, input, request);
    dependencies.onClaim?.(result.kind);
    if (result.kind === 'assigned' || result.kind === 'returned')
      return assigned(dependencies, input, { ...typed, found: result });
    if (result.kind === 'busy') throw new ProblemError('overloaded');
    if (result.kind !== 'not_admitted' || refusal === null)
      return reject(dependencies, input, rejectionOf(result));
    await noteRefusal(dependencies, refusal, typed.email);
    return reject(dependencies, input, refusal);
  };
}

type Asking = Typed & {
  /** Of the VM, or the code of the place on the waiting list. */
  readonly givenPin: string | null;
  readonly browserId: string;
  readonly address: string;
  readonly network: string;
  /** Of the workshop, as it was typed. */
  readonly code: string;
  readonly signal: AbortSignal;
};

/** By the settings as they are at the moment of the claim. A person who is refused still gets back to their VM. */
async function admitAndClaim(
  dependencies: RequestVmDependencies,
  asking: Asking,
): Promise<{ readonly refusal: Refusal | null; readonly result: Admitted }> {
  const settingsVersion = admitsAnybody(dependencies);
  if (settingsVersion !== null) {
    const result = await claimVm(dependencies, asking, { mayClaim: true, settingsVersion });
    if (result.kind !== 'outdated') return { refusal: null, result };
  }
  const refusal = await refusalOf(dependencies, asking);
  return { refusal, result: await claimAdmitted(dependencies, asking, refusal === null) };
}

async function claimAdmitted(
  dependencies: RequestVmDependencies,
  asking: Asking,
  mayClaim: boolean,
): Promise<Admitted> {
  const result = await claimVm(dependencies, asking, { mayClaim, settingsVersion: null });
  return result.kind === 'outdated' ? { kind: 'busy' } : result;
}

function claimVm(
  dependencies: RequestVmDependencies,
  asking: Asking,
  admitted: Pick<VmRequest, 'mayClaim' | 'settingsVersion'>,
): Promise<VmRequestResult> {
  const { signal, ...request } = asking;
  const { network, email, givenPin } = request;
  return guessPin(dependencies.pinLimit, { network, email, givenPin }, (pinWaitSeconds) =>
    requestVm(
      dependencies.db,
      {
        ...request,
        assignmentId: dependencies.randomUuid(),
        pin: makePin(dependencies.randomInt),
        bounds: dependencies.requestBounds,
        channel: dependencies.channel,
        pinWaitSeconds,
        ...admitted,
      },
      signal,
    ),
  );
}

/**
 * No VM is free for this participant: they take a place on the waiting list, or open the one that they have. A VM that is reserved for
 * it is assigned with this command. Programs join by another endpoint; with the code of a place they only open it.
 */
async function wait(
  dependencies: RequestVmDependencies,
  input: RequestInput,
  asking: Asking,
): Promise<Reply<'requestVm'>> {
  const isProgram = input.accept === 'application/json';
  const opened = isProgram ? await openPlace(dependencies, asking) : await takePlace(dependencies, asking);
  if (opened !== null && !('id' in opened)) {
    dependencies.onClaim?.('none_free');
    return reject(dependencies, input, joinRefusal(opened), 'place');
  }
  const place = opened && (await findOwnPlace(dependencies, opened));
  if (opened !== null && place?.state !== 'waiting') {
    const result = await claimAdmitted(dependencies, { ...asking, givenPin: null }, true);
    if (result.kind === 'assigned' || result.kind === 'returned') {
      dependencies.onClaim?.(result.kind);
      return assigned(dependencies, input, { ...asking, found: result });
    }
  }
  dependencies.onClaim?.('none_free');
  if (isProgram) return problem('none_free');
  const shown = { lab: await dependencies.readLab(), workshop: dependencies.settings.last(), mine: [] };
  return page(renderIndex({ ...shown, place, values: input.body, askForPin: false }));
}

/** The normalized e-mail and the rebuilt command. */
function readForm(body: RequestInput['body']): Result<Typed, Rejection> {
  const email = normalizeEmail(body.email);
  const command = parseCrdCommand(body.crd_command);
  const missing = [
    ...(body.email.trim() === ''
      ? [{ field: 'email', code: 'required', message: 'Enter your e-mail address.' }]
      : []),
    ...(body.crd_command.trim() === ''
      ? [{ field: 'crd_command', code: 'required', message: 'Paste the command.' }]
      : []),
  ];
  if (missing.length > 0) return fail(invalid('Email and CRD command are required.', missing));
  const wrong: FieldError[] = [];
  if (email === null)
    wrong.push({
      field: 'email',
      code: 'format',
      message: 'This is not an e-mail address. Enter only the address, such as ada@example.org.',
    });
  if (!command.ok)
    wrong.push({ field: 'crd_command', code: 'format', message: describeFailure(command.failure) });
  if (!command.ok) return fail(problem('invalid_crd_command', { errors: wrong }));
  if (email === null) return fail(invalid('The e-mail address is not valid.', wrong));
  return succeed({ email, crdCommand: command.value.command });
}

function invalid(detail: string, errors: readonly FieldError[]): ProblemReply<'invalid_request'> {
  return problem('invalid_request', { detail, errors });
}

function rejectionOf(result: Exclude<Admitted, Found | { readonly kind: 'busy' }>): Rejection {
  switch (result.kind) {
    case 'none_free':
    case 'not_admitted':
      return problem('none_free');
    case 'too_many':
      return problem('too_many_vms');
    case 'pin_required':
      return problem('pin_required', {
        errors: [
          { field: 'pin', code: 'required', message: 'Enter the PIN that was shown with your machine.' },
        ],
      });
    case 'pin_wrong':
      return problem('pin_required', {
        detail: 'This is not the PIN of your machine. Try again, or ask your instructor, who can see it.',
        errors: [{ field: 'pin', code: 'mismatch', message: wrongPin('PIN', result.triesLeft) }],
      });
    case 'pin_locked':
      return pinLocked('PINs', result.retryAfterSeconds);
  }
}

/** No error of the form: the page says it as the state of the workshop. */
const STATES: readonly string[] = ['workshop_scheduled', 'workshop_closed'];

/** JSON clients get the problem, HTML clients the form again with the message and their input. */
async function reject(
  { db, now, readLab, settings, sendsEmail }: RequestVmDependencies,
  input: RequestInput,
  rejection: Rejection,
  pinOf: 'machine' | 'place' = 'machine',
): Promise<Reply<'requestVm'>> {
  if (input.accept === 'application/json') return rejection;
  const { code, errors = [] } = rejection.body;
  const workshop = await settings.read();
  // A wrong command does not end the turn of somebody for whom a machine is reserved.
  const record = input.browserId === null ? null : await findPlaceOfBrowser(db, input.browserId);
  const place = record?.state === 'reserved' ? await lookAtPlace({ db, now, sendsEmail }, record) : null;
  return page(
    renderIndex({
      lab: await readLab(),
      workshop,
      place,
      ...(!STATES.includes(code) && {
        error: {
          message: sentenceOf(rejection.body),
          fields: Object.fromEntries(errors.map(({ field, message }) => [field, message])),
          retryAfterSeconds: rejection.status === 429 ? waitOf(rejection) : null,
        },
      }),
      values: input.body,
      askForCode: needsCode(workshop),
      askForPin: ['pin_required', 'place_code_required', 'too_many_pin_attempts'].includes(code),
      pinOf,
      mine: [],
    }),
  );
}

async function assigned(
  { db, now, codeLifetimeMs, settings }: RequestVmDependencies,
  input: RequestInput,
  given: Typed & { readonly found: Found },
): Promise<Reply<'requestVm'>> {
  const { id, hostname, pin, kind } = given.found;
  if (input.accept === 'application/json') {
    const body = { hostname, pin, assignment_id: id, returning: kind === 'returned' };
    return json(body);
  }
  const found = kind === 'returned' ? (given.found.record ?? (await findAssignment(db, id))) : null;
  const view = assignmentView(found ?? justAssigned(given, now()), { now: now(), codeLifetimeMs });
  // On a new machine there is nothing yet, and a crowd asks for one at the same moment.
  const files = kind === 'returned' ? await readOwnFiles({ db, now, settings }, hostname) : NEW_MACHINE;
  return page(renderSuccess({ ...view, files, returning: kind === 'returned', workshop: settings.last() }));
}

const NEW_MACHINE = { isClosed: false, isReachable: true, until: null };

/** Saves reading a new assignment from the database. */
function justAssigned({ found, email, crdCommand }: Typed & { readonly found: Found }, now: Date) {
  return {
    ...found,
    email,
    name: '',
    crdCommand,
    browsers: [],
    requestedFrom: null,
    pinFailures: 0,
    assignedAt: now,
    commandAt: now,
    deliveredAt: null,
    acknowledgedAt: null,
    outcome: null,
    outcomeMessage: null,
    releasedAt: null,
    reassignedAt: null,
    browserAllowedUntil: null,
    vmStatus: 'running' as const,
    confirms: false,
    waiting: true,
  };
}
