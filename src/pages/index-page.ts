// The form in which a participant asks for a machine.
import type { components } from '../contract/openapi.gen.ts';
import { codeSpans } from './code-spans.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { words } from './words.ts';
import { workshopView, type Workshop } from './workshop.ts';

/** Errors of a form: one sentence, and one for each field that is wrong, by its name on the wire. */
export type FormError = {
  readonly message: string;
  readonly fields?: Readonly<Record<string, string>>;
};

type Lab = components['schemas']['Lab'];

export type IndexModel = {
  /** Where things stand; null where that is not known (the database is away); left out: nothing is said. */
  readonly lab?: Pick<Lab, 'state' | 'message'> | null;
  readonly error?: FormError;
  /** The form was right, but there was no machine: the page says when it is worth trying again. */
  readonly noneFree?: boolean;
  /** What was typed; it is kept. */
  readonly values: { readonly email: string; readonly crdCommand: string };
  readonly askForPin: boolean;
  /** Assignments that this browser holds. */
  readonly mine: readonly { readonly id: string; readonly hostname?: string | null }[];
  readonly workshop?: Workshop;
};

const anchors: Readonly<Record<string, string>> = { email: 'email', crd_command: 'crd-command', pin: 'pin' };

/** The form page, with what was typed and what is wrong with it. The page itself never needs the database. */
export function renderIndex(model: IndexModel): string {
  const { error, values, askForPin, mine, workshop = {} } = model;
  const titlePrefix = error ? { titlePrefix: words.errorPrefix } : {};
  return render('index', {
    ...layoutView({
      title: workshop.title ?? words.index.title,
      area: 'participant',
      modules: ['index.js'],
      ...titlePrefix,
    }),
    ...workshopView(workshop),
    ...standingView(model),
    error: error ? summaryView(error) : null,
    errors: fieldsView(error?.fields ?? {}),
    values,
    askForPin,
    hasMine: mine.length > 0,
    mine: mine.map(({ id, hostname }) => ({ id, name: hostname ?? words.index.mineUnnamed })),
  });
}

function standingView({ lab, noneFree = false }: IndexModel): View {
  const isOpen = lab?.state === 'open';
  return {
    standing: lab !== undefined && {
      message: lab?.message ?? words.index.standingUnknown,
      state: lab?.state ?? 'unknown',
    },
    retry: noneFree && { now: isOpen ? words.index.tryAgain : words.index.wait },
  };
}

/** What stands above the form: the sentence, and each field's error with a link to the field. */
function summaryView({ message, fields = {} }: FormError): View {
  const items = Object.entries(fields);
  return {
    message: { text: codeSpans(message) },
    hasItems: items.length > 0,
    items: items.map(([field, wrong]) => ({
      message: { text: codeSpans(wrong) },
      anchor: anchors[field] ?? null,
    })),
  };
}

function fieldsView(fields: NonNullable<FormError['fields']>): View {
  return {
    email: errorView(fields['email']),
    crdCommand: errorView(fields['crd_command']),
    pin: errorView(fields['pin']),
  };
}

function errorView(message: string | undefined): View | null {
  return message === undefined ? null : { text: codeSpans(message) };
}
