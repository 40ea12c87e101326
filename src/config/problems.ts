// What a person reads when the configuration is wrong: the key, what is wrong with it, the remedy.
// Knows no key by name.

/** One thing that is wrong: `key` as the person wrote it (`PORT`, `db.port`), and two whole sentences. */
export type ConfigFault = { readonly key: string; readonly problem: string; readonly remedy: string };

/** A longer value is cut when it is shown: the head is enough to find it again. */
const SHOWN_CHARACTERS = 80;

/**
 * The faults as the text for the terminal: all of them at once, each with its remedy.
 * @param faults at least one.
 */
export function renderFaults(faults: readonly ConfigFault[]): string {
  const head =
    faults.length === 1
      ? 'The configuration has a fault, so nothing was started:'
      : `The configuration has ${faults.length} faults, so nothing was started:`;
  return [
    head,
    ...faults.map((fault) => `  ${fault.key}: ${fault.problem}\n    Remedy: ${fault.remedy}`),
  ].join('\n\n');
}

/** A value as a fault shows it: quoted where it is text, on one line, cut when long, without credentials of a URL. */
export function shown(value: unknown): string {
  if (value === undefined) return 'Nothing';
  const text = JSON.stringify(value).replace(/\/\/[^\s/]*@/g, '//***@');
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`;
}
