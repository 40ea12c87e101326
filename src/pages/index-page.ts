// The form with which a participant requests a machine.
import { endpoints } from '../contract/endpoints.gen.ts';
import type { components } from '../contract/openapi.gen.ts';
import { codeSpans, momentView } from './format.ts';
import { layoutView, type Layout } from './layout.ts';
import { render, type View } from './render.ts';
import { workshopView, type Workshop } from './workshop.ts';

/** Errors of a form: one sentence, and one for each field that is wrong, by its name on the wire. */
export type FormError = {
  readonly message: string;
  readonly fields?: Readonly<Record<string, string>>;
  /** Before that, the next try is refused. */
  readonly retryAfterSeconds?: number | null;
};

type Lab = components['schemas']['Lab'];

export type IndexModel = {
  /** Null while the database cannot be reached; absent = the page says nothing about it. */
  readonly lab?: (Pick<Lab, 'state' | 'message'> & Partial<Pick<Lab, 'opens_at'>>) | null;
  readonly error?: FormError;
  /** The form was right, but no machine was free: that is no error, and the page says when to submit it again. */
  readonly noneFree?: boolean;
  /** What was typed, by the name of the field on the wire. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly askForPin: boolean;
  /** Whether participants need the workshop code. */
  readonly askForCode?: boolean;
  /** The assignments of this browser. */
  readonly mine: readonly { readonly id: string; readonly hostname?: string | null }[];
  readonly workshop?: Workshop;
  /** What was typed into the form for returning, and why it was refused; null where nobody used it. */
  readonly returning?: ReturnForm | null;
  /** The server was too busy for the form that was sent: the page sends it again after so many seconds. */
  readonly busy?: { readonly message: string; readonly retryAfterSeconds: number };
};

type ReturnForm = {
  readonly email: string;
  /** Shown again only where the server was too busy. */
  readonly pin?: string;
  readonly error: string | null;
  readonly retryAfterSeconds: number | null;
};

/** Of the contract: a new one needs its place in the template only. */
const FIELDS: readonly string[] = Object.keys(endpoints.requestVm.form);

export function renderIndex(model: IndexModel): string {
  const { lab, error, noneFree = false, values, askForPin, mine, workshop = {} } = model;
  const { askForCode = false, returning = null, busy } = model;
  return render('index', {
    ...layoutView(layoutOf(model)),
    ...workshopView(workshop),
    availability: availabilityView(lab),
    retry: noneFree && isServing(lab) && { isOpen: lab?.state === 'open' },
    isServing: isServing(lab),
    isClosed: lab?.state === 'closed',
    error: error ? summaryView(error) : null,
    errors: Object.fromEntries(FIELDS.map((field) => [field, errorView(error, field)])),
    values: Object.fromEntries(FIELDS.map((field) => [field, typedText(values[field])])),
    askForPin,
    askForCode,
    keptPin: busy ? typedText(values['pin']) : '',
    returning: returnFormView(returning),
    busy: busy ? { ...busy, form: endpoints[returning ? 'returnToVm' : 'requestVm'].path } : null,
    hasMine: mine.length > 0,
    mine: mine.map(({ id, hostname }) => ({ id, name: hostname ?? 'your machine' })),
  });
}

function layoutOf({ lab, error, values, workshop = {}, returning = null, busy }: IndexModel): Layout {
  const code = typedText(values['code']);
  const href = code === '' ? '/' : `/?code=${encodeURIComponent(code)}`;
  return {
    title: workshop.title ?? 'Get your machine',
    area: 'participant',
    modules: ['index.js'],
    isError: error !== undefined || (returning !== null && !busy),
    ...(lab?.state === 'scheduled' && { refresh: { seconds: REFRESH_SECONDS, href } }),
  };
}

/** Without JavaScript, the page that waits for the opening loads itself anew. */
const REFRESH_SECONDS = 30;

/** Whether the form is shown: before the opening and after the closing it would be filled in for nothing. */
function isServing(lab: IndexModel['lab']): boolean {
  return lab?.state !== 'scheduled' && lab?.state !== 'closed';
}

/** Open where somebody has used it. */
export function returnFormView(form: ReturnForm | null = null): View {
  const { email = '', pin = '', error = null, retryAfterSeconds = null } = form ?? {};
  return { email, pin, error, retryAfterSeconds, isOpen: form !== null };
}

function availabilityView(lab: IndexModel['lab']): View | null {
  if (lab === undefined) return null;
  if (lab === null) return { state: 'unknown', message: UNKNOWN, opens: null };
  return {
    state: lab.state,
    message: lab.message,
    opens: lab.state === 'scheduled' ? momentView(lab.opens_at ?? null) : null,
  };
}

const UNKNOWN = 'The number of free machines is not known right now. You can still submit the form.';

/** The error summary: the sentence, and each field's error with a link to the field. */
function summaryView({ message, fields = {}, retryAfterSeconds = null }: FormError): View {
  const items = Object.entries(fields);
  return {
    message: codeSpans(message),
    retryAfterSeconds,
    hasItems: items.length > 0,
    items: items.map(([field, wrong]) => ({ message: codeSpans(wrong), anchor: anchorOf(field) })),
  };
}

/** The id of the field in the page. */
function anchorOf(field: string): string | null {
  return FIELDS.includes(field) ? field.replaceAll('_', '-') : null;
}

/** Of a field that was sent twice, the first. */
export function typedText(value: unknown): string {
  if (Array.isArray(value)) return typedText(value[0]);
  return typeof value === 'string' ? value : '';
}

function errorView(error: FormError | undefined, field: string): View | null {
  const message = error?.fields?.[field];
  return message === undefined ? null : codeSpans(message);
}
