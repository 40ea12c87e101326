// What the logs page says. No markup.
export const logWords = {
  title: 'Logs of',
  back: 'All machines',
  notYet: 'There are no logs yet: the machine is still being set up. Its lines appear here as they come.',
  empty: 'This machine has sent no logs yet. Lines appear here as they come.',
  region: 'Log lines',
  download: 'Download as text',
  noscript:
    'These are the newest lines. Press Refresh to see what has come since; the download has all of them.',
  earlier: 'Load earlier lines',
  search: 'Search these lines',
  next: 'Next match',
  previous: 'Previous match',
  onlyErrors: 'Errors only',
  onlyErrorsHint: 'Lines that look like errors. It is a guess.',
  wrap: 'Wrap long lines',
  tools: 'Search and view',
  keyboard:
    'In the lines, press / to search, n and p for the next and previous match. In this field, Enter goes to the next one.',
} as const;

/** Told where older lines are kept that the page does not show. */
export function olderSentence(older: number): string {
  return older === 1 ? '1 earlier line is not shown.' : `${older} earlier lines are not shown.`;
}

/** Told where older log lines were dropped. */
export function cutSentence(lines: number): string {
  return lines === 1
    ? 'The oldest line was dropped to stay within the limit.'
    : `The ${lines} oldest lines were dropped to stay within the limit.`;
}
