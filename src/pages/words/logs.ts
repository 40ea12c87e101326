// What the logs page says. No markup. `{n}` and `{of}` are put in by the page's module.
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
  /** What the page's module says. */
  live: {
    following: 'Following: new lines appear at the end.',
    paused: 'Paused, because you have scrolled up.',
    gone: 'This machine is gone, and its logs with it. What you see is the last of them.',
    none: 'No line looks like an error.',
    noMatch: 'No match',
    matches: 'Match {n} of {of}',
    newLines: '{n} new lines: go to the end',
    newLine: '1 new line: go to the end',
    toEnd: 'Go to the end',
    skipped:
      '{n} lines were skipped here: they came faster than this page could show them. The download has them.',
  },
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
