import { expect, test } from 'vitest';
import { decodeTable } from '../../src/vms/roster-text.ts';
import { readRoster, rosterChange } from '../../src/vms/roster.ts';

const ada = { email: 'ada@example.org', name: 'Ada Lovelace', group: 'A', note: '' };

test.each([
  ['commas', 'E-Mail,Name,Group,Note\nAda@Example.org,Ada Lovelace,A,\n'],
  ['semicolons, as Excel writes them in Europe', 'E-mail;Name;Gruppe\r\nada@example.org;Ada Lovelace;A\r\n'],
  [
    'tabs, as they are pasted, in another order',
    'Group\tNote\tE-mail address\tName\nA\t\tada@example.org\tAda  Lovelace',
  ],
  ['quotes and a mark at the beginning', '\uFEFFemail,name,group\n"ada@example.org","Ada Lovelace","A"'],
  ['no heading', 'ada@example.org;Ada Lovelace;A'],
  ['no heading, and the name first', 'Ada Lovelace|ada@example.org|A'],
])('a table with %s is read', (_, text) => {
  expect(readRoster(text)).toEqual({ entries: [ada], doubtful: [] });
});

test('a list of addresses alone is read', () => {
  expect(readRoster('ada@example.org\ngrace@example.org\n').entries.map(({ email }) => email)).toEqual([
    'ada@example.org',
    'grace@example.org',
  ]);
});

test('rows that are no address, repeat one in another case, or hide characters are doubtful', () => {
  const { entries, doubtful } = readRoster(
    'email,name\nada@example.org,Ada\nADA@example.org,Ada again\nnobody,Nobody\ngra\u200Bce@example.org,Grace',
  );
  expect(entries.map(({ email, name }) => [email, name])).toEqual([
    ['ada@example.org', 'Ada'],
    ['grace@example.org', 'Grace'],
  ]);
  expect(doubtful.map(({ row, isLeftOut }) => [row, isLeftOut])).toEqual([
    [3, true],
    [4, true],
    [5, false],
  ]);
});

test('files in UTF-8, UTF-16 and Windows-1252 are the same text', () => {
  const text = 'jörg@example.org;Jörg Müller';
  const latin = new Uint8Array(Buffer.from(text, 'latin1'));
  const utf16 = new Uint8Array(Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]));
  for (const bytes of [new Uint8Array(Buffer.from(text)), latin, utf16])
    expect(decodeTable(bytes)).toBe(text);
});

test('a new roster adds, changes and removes people, and leaves the others', () => {
  const grace = { email: 'grace@example.org', name: 'Grace', group: '', note: '' };
  const alan = { email: 'alan@example.org', name: 'Alan', group: '', note: '' };
  const moved = { ...ada, group: 'B' };
  expect(rosterChange([ada, grace, alan], [moved, grace, { ...alan, email: 'turing@example.org' }])).toEqual({
    added: [{ ...alan, email: 'turing@example.org' }],
    changed: [moved],
    gone: [alan],
    unchanged: 1,
  });
});
