// How spans of time are said. Browser modules read it from the page (templates/public/spans.js). No markup.

/** A number and its unit stay on one line. */
export const spanWords = {
  s: '{n}\u00a0s',
  min: '{n}\u00a0min',
  h: '{n}\u00a0h',
  d: '{n}\u00a0d',
  /** Of two units. */
  both: '{one} {other}',
  now: 'just now',
  ago: '{span} ago',
  ahead: 'in {span}',
} as const;
