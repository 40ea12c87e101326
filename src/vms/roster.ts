// The roster: who may join, read from the table of a spreadsheet, and what a new one changes. Pure.
import papa from 'papaparse';
import { normalizeEmail, withoutInvisible } from './email.ts';

export type RosterEntry = {
  /** Normalized. */
  readonly email: string;
  readonly name: string;
  readonly group: string;
  readonly note: string;
};

/** A row that somebody should look at. */
type DoubtfulRow = {
  /** Of the table, from 1. */
  readonly row: number;
  readonly text: string;
  readonly problem: string;
  readonly isLeftOut: boolean;
};

export type ReadRoster = {
  readonly entries: readonly RosterEntry[];
  readonly doubtful: readonly DoubtfulRow[];
};

export type RosterChange = {
  readonly added: readonly RosterEntry[];
  readonly changed: readonly RosterEntry[];
  readonly gone: readonly RosterEntry[];
  readonly unchanged: number;
};

const ROSTER_MAX = 5_000;
const CELL_MAX = 200;
const SHOWN_MAX = 120;

type Column = keyof RosterEntry;
const COLUMNS = ['email', 'name', 'group', 'note'] as const satisfies readonly Column[];

/** What spreadsheets call the columns, without case, spaces and dashes. */
const HEADINGS: Readonly<Record<string, Column>> = {
  ...{ email: 'email', mail: 'email', emailaddress: 'email', address: 'email', adresse: 'email' },
  ...{ name: 'name', fullname: 'name', participant: 'name', teilnehmer: 'name' },
  ...{ group: 'group', team: 'group', table: 'group', gruppe: 'group' },
  ...{ note: 'note', notes: 'note', comment: 'note', remark: 'note', notiz: 'note' },
};

/** Reads rows with any delimiter. The first row may name the columns; else the first e-mail address of a row is taken, and name, group and note follow in this order. */
export function readRoster(text: string): ReadRoster {
  const { data } = papa.parse<string[]>(text.replace(/^\uFEFF/, ''), { skipEmptyLines: 'greedy' });
  const [first = []] = data;
  const columns = columnsOf(first);
  const entries = new Map<string, RosterEntry>();
  const doubtful: DoubtfulRow[] = [];
  data.forEach((cells, index): void => {
    if (index === 0 && columns !== null) return;
    const row = index + 1;
    const shown = cells.join(', ').slice(0, SHOWN_MAX);
    const doubt = (problem: string, isLeftOut: boolean): void =>
      void doubtful.push({ row, text: shown, problem, isLeftOut });
    const given = valuesOf(cells, columns);
    const email = normalizeEmail(given.email);
    if (email === null) {
      doubt(`“${given.email.slice(0, SHOWN_MAX)}” is not an e-mail address.`, true);
      return;
    }
    if (entries.has(email)) {
      doubt(`${email} stands in the table more than once; the first row counts.`, true);
      return;
    }
    if (entries.size === ROSTER_MAX) {
      doubt(`More than ${ROSTER_MAX} people.`, true);
      return;
    }
    if (withoutInvisible(given.email) !== given.email)
      doubt(`The address contained characters that cannot be seen; it is read as ${email}.`, false);
    entries.set(email, {
      email,
      ...{ name: cellText(given.name), group: cellText(given.group), note: cellText(given.note) },
    });
  });
  return { entries: [...entries.values()], doubtful };
}

/** What taking the new roster changes. */
export function rosterChange(current: readonly RosterEntry[], wanted: readonly RosterEntry[]): RosterChange {
  const before = new Map(current.map((entry) => [entry.email, entry]));
  const after = new Set(wanted.map(({ email }) => email));
  const isSame = (one: RosterEntry, other: RosterEntry) => COLUMNS.every((name) => one[name] === other[name]);
  const changed = wanted.filter((entry) => {
    const known = before.get(entry.email);
    return known !== undefined && !isSame(known, entry);
  });
  const added = wanted.filter(({ email }) => !before.has(email));
  return {
    added,
    changed,
    gone: current.filter(({ email }) => !after.has(email)),
    unchanged: wanted.length - added.length - changed.length,
  };
}

/** Null where the first row is no heading. */
function columnsOf(cells: readonly string[]): readonly (Column | null)[] | null {
  const columns = cells.map((cell) => HEADINGS[cell.toLowerCase().replaceAll(/[^a-z]/g, '')] ?? null);
  return columns.includes('email') && !cells.some((cell) => normalizeEmail(cell) !== null) ? columns : null;
}

function valuesOf(cells: readonly string[], columns: readonly (Column | null)[] | null): RosterEntry {
  const order = columns ?? positionsOf(cells);
  const value = (name: Column): string => cells[order.indexOf(name)] ?? '';
  return { email: value('email'), name: value('name'), group: value('group'), note: value('note') };
}

function positionsOf(cells: readonly string[]): readonly (Column | null)[] {
  const found = cells.findIndex((cell) => normalizeEmail(cell) !== null);
  const place = Math.max(0, found);
  const others = COLUMNS.filter((name) => name !== 'email');
  return cells.map((_, index) =>
    index === place ? 'email' : (others[index < place ? index : index - 1] ?? null),
  );
}

function cellText(cell: string): string {
  return withoutInvisible(cell).replaceAll(/\s+/g, ' ').trim().slice(0, CELL_MAX);
}
