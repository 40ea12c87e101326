// The form with which a participant requests a machine.
import { endpoints } from '../contract/endpoints.gen.ts';
import type { components } from '../contract/openapi.gen.ts';
import { codeSpans, momentView } from './format.ts';
import { layoutView, type Layout } from './layout.ts';
import { render, type View } from './render.ts';
import { sayDuration } from './spans.ts';
import { workshopView, type Workshop } from './workshop.ts';

/** Errors of a form: one sentence, and one for each field that is wrong, by its name on the wire. */
export type FormError = {
  readonly message: string;
  readonly fields?: Readonly<Record<string, string>>;
  /** Before that, the next try is refused. */
  readonly retryAfterSeconds?: number | null;
};

type Lab = components['schemas']['Lab'];
type WaitingPlace = components['schemas']['WaitingPlace'];

export type IndexModel = {
  /** Null while the database cannot be reached; absent = the page says nothing about it. */
  readonly lab?: (Pick<Lab, 'state' | 'message'> & Partial<Pick<Lab, 'opens_at'>>) | null;
  readonly error?: FormError;
  /** What was typed, by the name of the field on the wire. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly askForPin: boolean;
  /** Whether participants need the workshop code. */
  readonly askForCode?: boolean;
  /** Whose PIN: that of the machine, or the code of the place on the waiting list. */
  readonly pinOf?: 'machine' | 'place';
  /** The place of this browser on the waiting list. */
  readonly place?: WaitingPlace | null;
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
  const { lab, mine, workshop = {}, returning = null, busy } = model;
  const place = isServing(lab) ? (model.place ?? null) : null;
  return render('index', {
    ...layoutView(layoutOf(model, place)),
    ...workshopView(workshop),
    ...formView(model, place),
    availability: availabilityView(lab),
    isServing: isServing(lab),
    isClosed: lab?.state === 'closed',
    place: place && placeView(place),
    returning: returnFormView(returning),
    busy: busy ? { ...busy, form: endpoints[returning ? 'returnToVm' : 'requestVm'].path } : null,
    hasMine: mine.length > 0,
    mine: mine.map(({ id, hostname }) => ({ id, name: hostname ?? 'your machine' })),
  });
}

/** The form, as it was sent where something was wrong with it. */
function formView(model: IndexModel, place: WaitingPlace | null): View {
  const { error, askForPin, askForCode = false, pinOf, busy } = model;
  // The command of a person who waits would be too old when their turn comes.
  const values = place === null || error !== undefined ? model.values : { email: place.email };
  return {
    hidesForm: place?.state === 'waiting',
    emailIsFixed: place?.state === 'waiting' || place?.state === 'reserved',
    error: error ? summaryView(error) : null,
    errors: Object.fromEntries(FIELDS.map((field) => [field, errorView(error, field)])),
    values: Object.fromEntries(FIELDS.map((field) => [field, typedText(values[field])])),
    askForCode: place === null && askForCode,
    askForPin: askForPin && { isOfPlace: pinOf === 'place' },
    keptPin: busy ? typedText(values['pin']) : '',
  };
}

function layoutOf(
  { lab, error, values, workshop = {}, returning = null, busy }: IndexModel,
  place: WaitingPlace | null,
): Layout {
  const title = workshop.title ?? 'Get your machine';
  const code = typedText(values['code']);
  const href = code === '' ? '/' : `/?code=${encodeURIComponent(code)}`;
  return {
    title,
    tabTitle: place?.state === 'reserved' ? `${YOUR_TURN}: ${title}` : title,
    area: 'participant',
    modules: ['index.js'],
    isError: error !== undefined || (returning !== null && !busy),
    ...(reloadsItself(lab, place) && { refresh: { seconds: REFRESH_SECONDS, href } }),
  };
}

/** The tab of somebody for whom a machine is reserved begins with it. */
const YOUR_TURN = 'Your turn';

function placeView(place: WaitingPlace): View {
  return {
    ...{ id: place.id, email: place.email, code: place.code, state: place.state },
    ...{ message: place.message, estimate: place.estimate },
    isWaiting: place.state === 'waiting',
    isReserved: place.state === 'reserved',
    hasLeft: place.state === 'left',
    mail: place.notify === null ? null : { isWanted: place.notify },
    left:
      place.reserved_seconds === null
        ? ''
        : sayDuration(new Date(0).toISOString(), new Date(place.reserved_seconds * 1_000).toISOString()),
    seconds: place.reserved_seconds ?? 0,
    yourTurn: YOUR_TURN,
  };
}

function reloadsItself(lab: IndexModel['lab'], place: WaitingPlace | null): boolean {
  return lab?.state === 'scheduled' || place?.state === 'waiting';
}

/** Without JavaScript, the page that waits for the opening or for a machine loads itself anew. */
const REFRESH_SECONDS = 20;

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
