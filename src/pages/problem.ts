// A problem as a page: the form again where a form was sent, else the error page. It needs no database, so that it works
// in an outage too.
import { endpoints, type EndpointId } from '../contract/endpoints.gen.ts';
import { problemBody, type Problem, type ProblemCode } from '../contract/problems.ts';
import type { Viewer } from '../contract/role.ts';
import { renderSignedOut } from './account.ts';
import { renderDashboard } from './dashboard.ts';
import { codeSpans } from './format.ts';
import { renderIndex, returnFormView, typedText, type IndexModel } from './index-page.ts';
import { layoutView, type Area } from './layout.ts';
import { render } from './render.ts';
import { workshopView, type Workshop } from './workshop.ts';

/** The request that failed, as far as it was understood. */
export type FailedRequest = {
  /** Null where the address belongs to no endpoint. */
  readonly endpointId: EndpointId | null;
  /** The fields of the form as they came; null where there was none, or none that could be read. */
  readonly form: Form | null;
  readonly workshop?: Workshop;
  /** Whether participants need the workshop code. */
  readonly askForCode?: boolean;
  /** For the header of admins' pages. */
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  /** The address of the request. */
  readonly path?: string;
  /** When the request may be repeated; null = it cannot be said. */
  readonly retryAfterSeconds?: number | null;
};

type Form = Readonly<Record<string, unknown>>;

export function renderProblem(problem: Problem, request: FailedRequest): string {
  const { endpointId, form, site, viewer } = request;
  const shown = { form, site, viewer };
  if (problem.code === 'admins_only') return errorPage(problem, request);
  switch (endpointId) {
    case 'requestVm':
      return requestFormPage(problem, request);
    case 'returnToVm':
      return returnFormPage(problem, request);
    case 'launchVms':
      return dashboardPage(problem, 'launch', shown);
    case 'createOperation':
      return dashboardPage(problem, form?.['kind'] === 'destroy' ? 'destroy' : 'launch', shown);
    case 'destroyVms':
      return dashboardPage(problem, 'destroy', shown);
    default:
      return errorPage(problem, request);
  }
}

function errorPage(problem: Problem, request: FailedRequest): string {
  const { endpointId, workshop = {}, site, viewer, path = '' } = request;
  // The browser's question for a name was cancelled, or what was typed was wrong.
  if (endpointId === 'signOut' && problem.status === 401) return renderSignedOut(site);
  const isAdmins = isForAdmins(endpointId) || /^\/admin(?:\/|$)/.test(path);
  return isAdmins
    ? renderError({ problem, area: 'admin', site, viewer })
    : renderError({ problem, area: 'participant', workshop });
}

/** Forms that are refused with these are sent again by their page, which says why. */
const sentAgain: Readonly<Record<string, string>> = {
  overloaded: 'The server is busy.',
  database_unavailable: 'The database cannot be reached right now.',
  stopping: 'The server is restarting.',
} satisfies Partial<Record<ProblemCode, string>>;

/** Nothing where the form is not sent again. */
function busyOf({ code }: Problem, { retryAfterSeconds }: FailedRequest): Pick<IndexModel, 'busy'> {
  const message = sentAgain[code];
  if (message === undefined || typeof retryAfterSeconds !== 'number') return {};
  return { busy: { message, retryAfterSeconds } };
}

function returnFormPage(problem: Problem, request: FailedRequest): string {
  const { form, workshop = {}, askForCode = false } = request;
  const email = typedText(form?.['email']);
  const busy = busyOf(problem, request);
  const returning = busy.busy
    ? { email, pin: typedText(form?.['pin']), error: null, retryAfterSeconds: null }
    : { email, error: problem.status === 503 ? problem.detail : RETURN_WRONG, retryAfterSeconds: null };
  const shown = { workshop, askForCode, values: {}, askForPin: false, mine: [] };
  return renderIndex({ ...shown, returning, ...busy });
}

const RETURN_WRONG = 'Enter your e-mail address and the PIN of your machine.';

function isForAdmins(endpointId: EndpointId | null): boolean {
  if (endpointId === null) return false;
  return endpoints[endpointId].security.flat().some((scheme) => scheme === 'adminBasic');
}

/** On pages these sentences replace those of the catalogue, which programs get too. */
const sentences: Readonly<Record<string, string>> = {
  invalid_crd_command: 'The Chrome Remote Desktop command is not valid.',
  vm_not_found: 'There is no machine with this name. It may have been destroyed.',
  scheduled_not_found: 'There is no such entry in the schedule. It may have ended long ago.',
  assignment_not_found:
    'This page belongs to another browser, or the machine is not assigned any more. With your e-mail address and PIN you can open it here.',
} satisfies Partial<Record<ProblemCode, string>>;

/** The sentence of a problem for people. */
export function sentenceOf({
  code,
  detail,
  errors = [],
}: Pick<Problem, 'code' | 'detail' | 'errors'>): string {
  if (code === 'invalid_request' && errors.length > 0)
    return errors.every((error) => MISSING.includes(error.code))
      ? 'Enter your e-mail address and paste the command.'
      : 'Please correct the fields below.';
  return sentences[code] ?? detail;
}

/** The codes of a field that was left empty. */
const MISSING: readonly string[] = ['required', 'min_length'];

const labels: Readonly<Record<string, string>> = {
  email: 'The e-mail address',
  crd_command: 'The command',
  pin: 'The PIN',
  code: 'The workshop code',
};

function requestFormPage(problem: Problem, request: FailedRequest): string {
  const { errors = [] } = problem;
  const { workshop = {}, askForCode = false } = request;
  const form = request.form ?? {};
  const busy = busyOf(problem, request);
  const error = {
    message: sentenceOf(problem),
    fields: Object.fromEntries(errors.map(({ field, message }) => [field, withLabel(field, message)])),
  };
  return renderIndex({
    workshop,
    askForCode,
    ...(busy.busy ? busy : { error }),
    values: form,
    askForPin: form['pin'] !== undefined || errors.some(({ field }) => field === 'pin'),
    mine: [],
  });
}

/** `crd_command is required` → `The command is required`. */
function withLabel(field: string, message: string): string {
  const label = labels[field];
  return label !== undefined && message.startsWith(`${field} `)
    ? label + message.slice(field.length)
    : message;
}

/** The page that would have shown the operation, with the message. */
function dashboardPage(
  problem: Problem,
  kind: 'launch' | 'destroy',
  { form, site, viewer }: Pick<FailedRequest, 'form' | 'site' | 'viewer'>,
): string {
  const wrong = problem.errors?.find(({ field }) => field === 'num_vms' || field === 'hours');
  const message = wrong ? launchSentence(wrong) : problem.detail;
  return renderDashboard({
    site,
    viewer,
    kind,
    operation: null,
    error: { message, ...(wrong && { fields: { [wrong.field]: message } }) },
    lines: [],
    olderLines: 0,
    lastLine: 0,
    machines: null,
    form: {
      maxVms: null,
      numVms: typedText(form?.['num_vms']),
      hours: typedText(form?.['hours']),
      defaultHours: null,
      canaryAbove: null,
      people: null,
      plan: null,
    },
  });
}

/** What is wrong with a field of the launch form. */
function launchSentence({ field, code }: { readonly field: string; readonly code: string }): string {
  if (field === 'hours') return 'The hours must be a whole number from 1 to 72. Nothing was launched.';
  if (code === 'maximum')
    return 'The number of machines is too large. The form shows how many you can launch at a time.';
  if (code === 'duplicate') return 'The number of machines was submitted more than once.';
  return 'The number of machines must be a whole number greater than 0.';
}

/** What to do, by status. */
const remedies: Readonly<Record<number, string>> = {
  400: 'Go back, correct what is wrong, and try again.',
  401: 'Reload the page, and sign in with your name and password.',
  403: 'Open the page on this server and try again from there.',
  404: 'Check the address, or go to the start page.',
  405: 'Use the links and forms on the pages.',
  409: 'Reload the page to see the current state.',
  413: 'Go back and submit less.',
  415: 'Go to the start page and use its form.',
  429: 'Wait a moment, then try again.',
  500: 'Try again. If the problem persists, send the request ID to your instructor.',
  503: 'Wait a few seconds, then reload the page.',
};

const ADMIN_404 = 'Check the address, or choose a page from the menu.';
const ADMINS_ONLY = 'Ask an admin to do it, or to change your role. The other pages are in the menu.';

function remedyOf({ code, status }: Problem, area: Area): string {
  if (code === 'admins_only') return ADMINS_ONLY;
  if (area === 'admin' && status === 404) return ADMIN_404;
  return remedies[status] ?? 'Go to the start page.';
}

export type ErrorModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly problem: Problem;
  /** Decides where the way out leads. */
  readonly area: Area;
  readonly workshop?: Workshop;
};

/** Whether the list of fields says all that the detail says. */
function isListed({ code, detail, errors = [] }: Problem): boolean {
  if (errors.some(({ message }) => message === detail)) return true;
  return code === 'invalid_request' && errors.length > 0 && detail === problemBody(code, { errors }).detail;
}

/** The page of a problem: what is wrong, what to do, and a way out. */
export function renderError({ problem, area, site, viewer, workshop = {} }: ErrorModel): string {
  const { title, status, code, errors = [], request_id: requestId = null } = problem;
  return render('error', {
    ...layoutView({ site, viewer, title, area, isError: true }),
    ...workshopView(workshop),
    ...{ status, code, requestId },
    lead: !isListed(problem) && {
      detail: codeSpans(errors.length > 0 ? problem.detail : sentenceOf(problem)),
    },
    hasFields: errors.length > 0,
    fields: errors.map(({ field, message }) => ({
      field: !message.startsWith(`${field} `) && field,
      message,
    })),
    remedy: remedyOf(problem, area),
    isForAdmins: area === 'admin',
    returning: code === 'assignment_not_found' && area === 'participant' && returnFormView(),
    isUnknownVm: code === 'vm_not_found',
  });
}
