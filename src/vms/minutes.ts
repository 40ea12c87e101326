// Minutes in sentences of the API.

/** `{n}` is the number. The live table uses them too. */
const minuteWords = { one: '1 minute', many: '{n} minutes' } as const;

export function sayMinutes(minutes: number): string {
  return minutes === 1 ? minuteWords.one : minuteWords.many.replace('{n}', String(minutes));
}
