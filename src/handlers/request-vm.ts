// Requests for a VM: validates the form, claims a VM or finds the existing one, and answers with a page or JSON.
import type { Handler, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError, type FieldError, type ProblemReply } from '../contract/problems.ts';
import { findAssignment } from '../db/assignments.ts';
import type { Db } from '../db/connect.ts';
import { requestVm, type RequestBounds, type VmRequestResult } from '../db/request.ts';
import { renderIndex } from '../pages/index-page.ts';
import { sentenceOf } from '../pages/problem.ts';
import { renderSuccess } from '../pages/success.ts';
import { parseCrdCommand } from '../vms/crd-command.ts';
import { normalizeEmail, withoutInvisible } from '../vms/email.ts';
import { sayMinutes } from '../vms/minutes.ts';
import { makePin } from '../vms/pin.ts';
import { needsCode } from '../vms/workshop-settings.ts';
import { describeFailure, fail, succeed, type Result } from '../result.ts';
import { noteRefusal, refusalOf, type AdmissionDependencies, type Refusal } from './admission.ts';
import { guessPin, type PinLimit } from './guess-pin.ts';
import type { Lab } from './lab.ts';
import { readOwnFiles } from './own-files.ts';
import { json, page } from './replies.ts';
import { assignmentView, type Clock } from './views.ts';

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
  readonly readLab: () => Promise<Lab>;
  /** How each request for a machine ended. */
  readonly onClaim?: ((outcome: VmRequestResult['kind']) => void) | undefined;
};

/** So that a lock of five minutes is not told as one of six. */
const SPARE_SECONDS = 3;

type RequestInput = Input<'requestVm'>;
/** Why a form is rejected: a problem in JSON, and a message on the form page. */
type Rejection =
  | Refusal
  | ProblemReply<
      | 'invalid_request'
      | 'invalid_crd_command'
      | 'none_free'
      | 'too_many_vms'
      | 'pin_required'
      | 'too_many_pin_attempts'
    >;
type Typed = { readonly email: string; readonly crdCommand: string };
type Found = Extract<VmRequestResult, { readonly kind: 'assigned' | 'returned' }>;

export function requestVmHandler(dependencies: RequestVmDependencies): Handler<'requestVm'> {
  return async (input) => {
    const form = readForm(input.body);
    if (!form.ok) return reject(dependencies, input, form.failure);
    const typed = form.value;
    const { address, network } = input;
    const givenPin = withoutInvisible(input.body.pin ?? '').trim() || null;
    const browserId = input.browserId ?? dependencies.randomUuid();
    const asking = { email: typed.email, browserId, code: input.body.code ?? '' };
    const refusal = await refusalOf(dependencies, asking);
    const guess = { network, email: typed.email, givenPin };
    const result = await guessPin(dependencies.pinLimit, guess, (pinWaitSeconds) =>
      requestVm(
        dependencies.db,
        {
          assignmentId: dependencies.randomUuid(),
          email: typed.email,
          browserId,
          crdCommand: typed.crdCommand,
          pin: makePin(dependencies.randomInt),
          address,
          network,
          bounds: dependencies.requestBounds,
          channel: dependencies.channel,
          givenPin,
          pinWaitSeconds,
          mayClaim: refusal === null,
        },
        input.signal,
      ),
    );
    dependencies.onClaim?.(result.kind);
    if (result.kind === 'assigned' || result.kind === 'returned') {
      return assigned(dependencies, input, { ...typed, found: result });
    }
    if (result.kind === 'busy') throw new ProblemError('overloaded');
    if (result.kind !== 'not_admitted' || refusal === null)
      return reject(dependencies, input, rejectionOf(result));
    await noteRefusal(dependencies, refusal, typed.email);
    return reject(dependencies, input, refusal);
  };
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

function rejectionOf(result: Exclude<VmRequestResult, Found | { readonly kind: 'busy' }>): Rejection {
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
        errors: [{ field: 'pin', code: 'mismatch', message: wrongPin(result.triesLeft) }],
      });
    case 'pin_locked':
      return pinLocked(result.retryAfterSeconds);
  }
}

function wrongPin(triesLeft: number): string {
  return `Wrong PIN. ${triesLeft === 1 ? 'One more try' : `${triesLeft} more tries`} before you have to wait.`;
}

export function pinLocked(retryAfterSeconds: number) {
  return problem('too_many_pin_attempts', {
    detail: `Too many wrong PINs. Wait ${sayMinutes(Math.ceil((retryAfterSeconds - SPARE_SECONDS) / 60))}, or use the browser you started with.`,
    headers: { 'Retry-After': String(retryAfterSeconds) },
  });
}

/** Of the header, in seconds; null where there is none. */
export function waitOf({
  headers = {},
}: {
  readonly headers?: Readonly<Record<string, string>>;
}): number | null {
  const seconds = headers['Retry-After'];
  return seconds === undefined ? null : Number(seconds);
}

/** No error of the form: the page says it as the state of the workshop. */
const STATES: readonly string[] = ['none_free', 'workshop_scheduled', 'workshop_closed'];

/** JSON clients get the problem, HTML clients the form again with the message and their input. */
async function reject(
  { readLab, settings }: RequestVmDependencies,
  input: RequestInput,
  rejection: Rejection,
): Promise<Reply<'requestVm'>> {
  if (input.accept === 'application/json') return rejection;
  const { code, errors = [] } = rejection.body;
  const workshop = await settings.read();
  return page(
    renderIndex({
      lab: await readLab(),
      noneFree: code === 'none_free',
      workshop,
      ...(!STATES.includes(code) && {
        error: {
          message: sentenceOf(rejection.body),
          fields: Object.fromEntries(errors.map(({ field, message }) => [field, message])),
          retryAfterSeconds: rejection.status === 429 ? waitOf(rejection) : null,
        },
      }),
      values: input.body,
      askForCode: needsCode(workshop),
      askForPin: code === 'pin_required' || code === 'too_many_pin_attempts',
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
