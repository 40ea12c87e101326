import { describe, expect, test } from 'vitest';
import { readPlan, shiftSentence } from '../../src/vms/schedule.ts';
import { momentOf, readWallTime, readZone, wallTimeAt } from '../../src/vms/zoned-time.ts';

const at = (wallTime: string, zone: string) => {
  const { at: instant, shift } = momentOf(wallTime, zone);
  return [instant.toISOString(), shift];
};

describe('what a clock of a zone shows, as an instant', () => {
  test.each([
    ['an ordinary day', '2027-03-27T08:00', 'Europe/Berlin', '2027-03-27T07:00:00.000Z', null],
    ['the day after the change', '2027-03-29T08:00', 'Europe/Berlin', '2027-03-29T06:00:00.000Z', null],
    ['another zone', '2027-03-29T08:00', 'America/New_York', '2027-03-29T12:00:00.000Z', null],
    [
      'a gap: the first moment after it',
      '2027-03-28T02:30',
      'Europe/Berlin',
      '2027-03-28T01:00:00.000Z',
      'gap',
    ],
    ['the start of a gap', '2027-03-28T02:00', 'Europe/Berlin', '2027-03-28T01:00:00.000Z', 'gap'],
    ['the end of a gap', '2027-03-28T03:00', 'Europe/Berlin', '2027-03-28T01:00:00.000Z', null],
    ['a gap of half an hour', '2027-10-03T02:15', 'Australia/Lord_Howe', '2027-10-02T15:30:00.000Z', 'gap'],
    ['a day that did not exist', '2011-12-30T08:00', 'Pacific/Apia', '2011-12-30T10:00:00.000Z', 'gap'],
    [
      'an overlap: the first of the two',
      '2027-10-31T02:30',
      'Europe/Berlin',
      '2027-10-31T00:30:00.000Z',
      'overlap',
    ],
    ['the end of an overlap', '2027-10-31T03:00', 'Europe/Berlin', '2027-10-31T02:00:00.000Z', null],
    ['no daylight saving', '2027-03-28T02:30', 'UTC', '2027-03-28T02:30:00.000Z', null],
  ])('%s', (_what, wallTime, zone, instant, shift) => {
    expect(at(wallTime, zone)).toEqual([instant, shift]);
  });

  test('the page says what daylight saving does to a time', () => {
    const say = (wallTime: string) =>
      shiftSentence(momentOf(wallTime, 'Europe/Berlin'), wallTime, 'Europe/Berlin');
    expect(say('2027-03-28T02:30')).toContain('moved forward over 02:30');
    expect(say('2027-10-31T02:30')).toContain('show 02:30 twice');
    expect(say('2027-10-31T04:30')).toBeNull();
  });

  test('an instant is shown as the clocks of a zone show it', () => {
    expect(wallTimeAt(new Date('2027-03-28T01:00:00Z'), 'Europe/Berlin')).toBe('2027-03-28 03:00');
  });

  test('zones are names of the IANA database, in their usual spelling; offsets are none', () => {
    expect(['europe/berlin', ' UTC ', 'Europe/Kyiv'].map(readZone)).toEqual([
      'Europe/Berlin',
      'UTC',
      'Europe/Kyiv',
    ]);
    for (const typed of ['', '+01:00', 'Nowhere/City', '../etc/passwd', 'Europe/Berlin\0', 'x'.repeat(200)])
      expect(readZone(typed), typed).toBeNull();
  });

  test('a time is a minute of the calendar, without a zone', () => {
    expect(['2027-03-28T08:00', ' 2027-03-28T08:00:00 '].map(readWallTime)).toEqual([
      '2027-03-28T08:00',
      '2027-03-28T08:00',
    ]);
    for (const typed of [
      '',
      '2027-02-30T08:00',
      '2027-03-28T24:00',
      '2027-03-28T08:00:30',
      '2027-03-28T08:00Z',
      '8:00',
    ])
      expect(readWallTime(typed), typed).toBeNull();
  });
});

describe('what may be planned', () => {
  const now = new Date('2027-03-27T12:00:00Z');
  const asked = { kind: 'launch', time: '2027-03-28T08:00', zone: 'Europe/Berlin', num_vms: '3' };
  const read = (changes: Readonly<Record<string, unknown>>) =>
    readPlan({ ...asked, ...changes }, { now, maxVms: 10 });
  const wrongFields = (changes: Readonly<Record<string, unknown>>) => {
    const plan = read(changes);
    return plan.ok ? [] : plan.failure.map(({ field, code }) => `${field} ${code}`);
  };

  test('a launch has a number and hours, a destroy a download; empty fields and a download of “false” say nothing', () => {
    expect(read({ download: '', hours: '' })).toEqual({
      ok: true,
      value: {
        kind: 'launch',
        wallTime: '2027-03-28T08:00',
        zone: 'Europe/Berlin',
        dueAt: new Date('2027-03-28T06:00:00Z'),
        numVms: 3,
        hours: null,
        download: false,
      },
    });
    expect(read({ download: false })).toMatchObject({ ok: true });
    expect(read({ kind: 'destroy', num_vms: '', hours: ' ', download: 'true' })).toMatchObject({
      value: { numVms: null, hours: null, download: true },
    });
  });

  test('fields of the other kind are refused, with the kind that they belong to', () => {
    const messages = (changes: Readonly<Record<string, unknown>>) => {
      const plan = read(changes);
      return plan.ok ? [] : plan.failure.map(({ message }) => message);
    };
    expect(messages({ download: true })).toEqual([
      'download belongs to a destroy; leave it out for a launch',
    ]);
    expect(messages({ kind: 'destroy', hours: 9 })).toEqual([
      'num_vms belongs to a launch; leave it out for a destroy',
      'hours belongs to a launch; leave it out for a destroy',
    ]);
  });

  test.each([
    [{ time: '2027-03-27T12:59' }, 'time minimum'],
    [{ time: '3030-03-27T12:59' }, 'time format'],
    [{ time: 'tomorrow' }, 'time format'],
    [{ zone: 'CEST?' }, 'zone format'],
    [{ num_vms: '' }, 'num_vms required'],
    [{ num_vms: '11' }, 'num_vms format'],
    [{ num_vms: '0' }, 'num_vms format'],
    [{ num_vms: '1.5' }, 'num_vms format'],
    [{ hours: '73' }, 'hours format'],
    [{ kind: 'destroy', num_vms: '', download: 'perhaps' }, 'download format'],
    [{ download: true }, 'download unexpected'],
    [{ kind: 'destroy' }, 'num_vms unexpected'],
    [{ kind: 'destroy', num_vms: '', hours: '9' }, 'hours unexpected'],
  ])('%j is refused', (changes, wrong) => {
    expect(wrongFields(changes)).toEqual([wrong]);
  });
});
