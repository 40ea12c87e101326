// The form in which a participant asks for a machine.
import { codeSpans } from './code-spans.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { words } from './words.ts';
import { freeSentence } from './words/participant.ts';

/** Errors of a form: one sentence, and one for each field that is wrong, by its name on the wire. */
export type FormError = {
  readonly message: string;
  readonly fields?: Readonly<Record<string, string>>;
};

export type IndexModel = {
  /** How many machines are free; null where that is not known (the database is away); left out: nothing is said. */
  readonly freeCount?: number | null;
  readonly error?: FormError;
  /** What was typed; it is kept. */
  readonly values: { readonly email: string; readonly crdCommand: string };
  readonly askForPin: boolean;
  /** Assignments that this browser holds. */
  readonly mine: readonly { readonly id: string; readonly hostname?: string | null }[];
};

const anchors: Readonly<Record<string, string>> = { email: 'email', crd_command: 'crd-command', pin: 'pin' };

/** The form page, with what was typed and what is wrong with it. The page itself never needs the database. */
export function renderIndex({ freeCount, error, values, askForPin, mine }: IndexModel): string {
  const titlePrefix = error ? { titlePrefix: words.errorPrefix } : {};
  return render('index', {
    ...layoutView({ title: words.index.title, area: 'participant', ...titlePrefix }),
    free: freeCount === undefined ? null : freeSentence(freeCount),
    noneFree: freeCount === 0,
    error: error ? summaryView(error) : null,
    errors: fieldsView(error?.fields ?? {}),
    values,
    askForPin,
    hasMine: mine.length > 0,
    mine: mine.map(({ id, hostname }) => ({ id, name: hostname ?? words.index.mineUnnamed })),
  });
}

/** What stands above the form: the sentence, and each field's error with a link to the field. */
function summaryView({ message, fields = {} }: FormError): View {
  const items = Object.entries(fields);
  return {
    message: { text: codeSpans(message) },
    hasItems: items.length > 0,
    items: items.map(([field, wrong]) => ({ message: wrong, anchor: anchors[field] ?? null })),
  };
}

function fieldsView(fields: NonNullable<FormError['fields']>): View {
  return {
    email: fields['email'] ?? null,
    crdCommand: fields['crd_command'] ?? null,
    pin: fields['pin'] ?? null,
  };
}
