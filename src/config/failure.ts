// What a person reads when the configuration is wrong: the key, what is wrong, what to do.
import type { Failure } from '../result.ts';

/** `key` is what the person wrote: `PORT`, `db.port`, the path of the config file. */
export type ConfigFailure = Failure<'invalid' | 'missing' | 'unreadable'> & { readonly key: string };

/** A longer value is cut when it is shown: the head is enough to find it again. */
const SHOWN_CHARACTERS = 80;

/**
 * All of them as the text for the terminal.
 * @param failures at least one.
 */
export function renderFailures(failures: readonly ConfigFailure[]): string {
  const count = failures.length === 1 ? 'an error' : `${failures.length} errors`;
  return [
    `The configuration has ${count}. Nothing was started.`,
    ...failures.map(({ key, message, remedy }) => `  ${key}: ${message}\n    To do: ${remedy}`),
  ].join('\n\n');
}

/** A value as a message shows it: quoted if it is text, on one line, cut if long, without credentials of a URL. */
export function shown(value: unknown): string {
  if (value === undefined) return 'Nothing';
  const text = JSON.stringify(value).replace(/\/\/[^\s/]*@/g, '//***@');
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`;
}
