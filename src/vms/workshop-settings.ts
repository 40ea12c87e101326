// What an organiser sets for a workshop: the rule of each setting, which the environment, the API and the page share. Pure.
import { z } from 'zod';

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

const words = z.string('must be text (put it in quotes if it looks like a number or like true)');

/** One line that people read. A message ends a sentence that begins with the value or with the name of the setting. */
const shownText = (most: number) =>
  words
    .trim()
    .max(most, `must have at most ${most} characters`)
    .refine((value) => !CONTROL_CHARACTER.test(value), 'must be one line without control characters')
    .meta({ description: `at most ${most} characters in one line` });

/** Several lines that people read. */
const shownLines = (most: number) =>
  words
    .trim()
    .max(most, `must have at most ${most} characters`)
    .refine(
      (value) => !CONTROL_CHARACTER.test(value.replaceAll(/\r?\n|\t/g, '')),
      'must not contain control characters',
    )
    .meta({ description: `at most ${most} characters` });

/** Read as UTC, to the second. */
const moment = words
  .trim()
  .pipe(
    z.iso.datetime({
      offset: true,
      error: 'must be a time with its zone, such as 2027-03-01T09:00:00+01:00',
    }),
  )
  .transform((value) => new Date(value).toISOString())
  .meta({ description: 'a time with its zone, such as 2027-03-01T09:00:00+01:00' });

/** `open`: everybody with the address. `code`: with the workshop code. `roster`: whose e-mail is on the roster. */
export const joinModes = ['open', 'code', 'roster', 'roster_and_code'] as const;

export const workshopRules = {
  title: shownText(120),
  instructions: shownLines(4_000),
  contact: shownText(200),
  opensAt: moment,
  closesAt: moment,
  join: z
    .enum(joinModes, `must be one of: ${joinModes.join(', ')}`)
    .meta({ description: new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(joinModes) }),
};

/** A text that is empty is none. */
const orNone = <R extends z.ZodType>(rule: R) =>
  z.preprocess((value) => (typeof value === 'string' && value.trim() === '' ? null : value), rule.nullable());

/** Of each setting; null = none. */
const workshopSchema = z.object({
  title: orNone(workshopRules.title),
  instructions: orNone(workshopRules.instructions),
  contact: orNone(workshopRules.contact),
  opensAt: orNone(workshopRules.opensAt),
  closesAt: orNone(workshopRules.closesAt),
  join: workshopRules.join,
  /** Null until it is needed for the first time. */
  code: z.string().nullable(),
});

export type WorkshopSettings = Readonly<z.output<typeof workshopSchema>>;
/** Some of them. */
export const workshopChangeSchema = workshopSchema.partial().strict();
export type WorkshopChange = Readonly<z.output<typeof workshopChangeSchema>>;

/** In the order of the page. */
export const settingNames: readonly (keyof WorkshopSettings)[] = workshopSchema.keyof().options;

/** The settings with what was stored; a stored value that this program does not understand is left out. */
export function withStored(
  defaults: WorkshopSettings,
  stored: readonly { readonly key: string; readonly value: unknown }[],
): WorkshopSettings {
  const known = stored.filter(({ key, value }) => workshopChangeSchema.safeParse({ [key]: value }).success);
  return workshopSchema.parse({
    ...defaults,
    ...Object.fromEntries(known.map(({ key, value }) => [key, value])),
  });
}

/** Whether participants need the workshop code. */
export function needsCode({ join }: Pick<WorkshopSettings, 'join'>): boolean {
  return join === 'code' || join === 'roster_and_code';
}

/** Whether participants must be on the roster. */
export function needsRoster({ join }: Pick<WorkshopSettings, 'join'>): boolean {
  return join === 'roster' || join === 'roster_and_code';
}

/** Whether it closes before it opens. */
export function closesTooEarly({
  opensAt,
  closesAt,
}: Pick<WorkshopSettings, 'opensAt' | 'closesAt'>): boolean {
  return opensAt !== null && closesAt !== null && Date.parse(closesAt) <= Date.parse(opensAt);
}
