// A problem as the page of the endpoint that had it: the form again where a form was sent, else the error page.
import { endpoints, type EndpointId } from '../contract/endpoints.gen.ts';
import type { Problem } from '../contract/problems.ts';
import { renderDashboard } from './dashboard.ts';
import { renderError } from './error.ts';
import { renderIndex, type FormError } from './index-page.ts';
import { words } from './words.ts';
import type { Workshop } from './workshop.ts';

/** The request that went wrong, as far as it was understood. */
export type FailedRequest = {
  /** Null where the address belongs to no endpoint. */
  readonly endpointId: EndpointId | null;
  /** The fields of the form as they came; null where there was none, or none that could be read. */
  readonly form: Readonly<Record<string, unknown>> | null;
  readonly workshop?: Workshop;
};

/** The codes of a field that was left empty. */
const MISSING: readonly string[] = ['required', 'min_length'];
const labels: Readonly<Record<string, string>> = words.index.labels;

/** The page for this problem. It asks nothing of the database, so it comes in an outage too. */
export function renderProblem(problem: Problem, { endpointId, form, workshop = {} }: FailedRequest): string {
  if (endpointId === 'requestVm') return formAgain(problem, form ?? {}, workshop);
  if (endpointId === 'launchVms' || endpointId === 'destroyVms')
    return notBegun(problem, endpointId, form ?? {});
  return renderError({ problem, area: isForAdmins(endpointId) ? 'admin' : 'participant', workshop });
}

function formAgain(problem: Problem, form: Readonly<Record<string, unknown>>, workshop: Workshop): string {
  const errors = problem.errors ?? [];
  return renderIndex({
    workshop,
    error: {
      message: summary(problem),
      fields: Object.fromEntries(errors.map(({ field, message }) => [field, inWords(field, message)])),
    },
    values: { email: text(form['email']), crdCommand: text(form['crd_command']) },
    askForPin: form['pin'] !== undefined || errors.some(({ field }) => field === 'pin'),
    mine: [],
  });
}

/** The catalogue's sentence for a wrong field speaks to programs. */
function summary({ code, detail, errors = [] }: Problem): string {
  if (code !== 'invalid_request' || errors.length === 0) return detail;
  return errors.every((error) => MISSING.includes(error.code)) ? words.index.missing : words.index.invalid;
}

/** `crd_command is required` → `The command is required`. */
function inWords(field: string, message: string): string {
  const label = labels[field];
  return label !== undefined && message.startsWith(`${field} `)
    ? label + message.slice(field.length)
    : message;
}

/** The page that would have shown the run, with the message. */
function notBegun(
  problem: Problem,
  endpointId: 'launchVms' | 'destroyVms',
  form: Readonly<Record<string, unknown>>,
): string {
  const numVms = problem.errors?.find(({ field }) => field === 'num_vms');
  const hours = problem.errors?.some(({ field }) => field === 'hours') === true;
  return renderDashboard({
    kind: endpointId === 'launchVms' ? 'launch' : 'destroy',
    operation: null,
    error: numVms
      ? fieldError('num_vms', numVmsSentence(numVms.code))
      : hours
        ? fieldError('hours', words.fleet.create.hoursWrong)
        : { message: problem.detail },
    lines: [],
    olderLines: 0,
    lastLine: 0,
    machines: null,
    form: {
      maxVms: null,
      numVms: text(form['num_vms']),
      hours: text(form['hours']),
      defaultHours: null,
      canaryAbove: null,
      people: null,
      plan: null,
    },
  });
}

function fieldError(field: string, message: string): FormError {
  return { message, fields: { [field]: message } };
}

/** What the contract says against the number, in the words that people know. */
function numVmsSentence(code: string): string {
  if (code === 'maximum') return words.fleet.create.tooMany;
  return code === 'duplicate' ? words.fleet.create.twice : words.fleet.create.notPositive;
}

/** A field that was sent twice arrives as a list: what was typed is shown all the same. */
function text(value: unknown): string {
  if (Array.isArray(value)) return text(value[0]);
  return typeof value === 'string' ? value : '';
}

function isForAdmins(endpointId: EndpointId | null): boolean {
  if (endpointId === null) return false;
  return endpoints[endpointId].security.flat().some((scheme) => scheme === 'adminBasic');
}
