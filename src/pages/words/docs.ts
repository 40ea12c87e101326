// What the docs page says. No markup.

export const docsWords = {
  title: 'API docs',
  lead: 'The contract of this server, readable and tryable. As a file:',
  or: 'or',
  noscript:
    'The interactive view needs JavaScript. The contract itself does not: read one of the files above.',
  viewer: 'Operations',
  problemsTitle: 'Problems',
  problemsLead:
    'Errors are application/problem+json (RFC 9457). Their code is stable: program against it, not against the sentence.',
  code: 'Code',
  status: 'Status',
  detail: 'Meaning',
} as const;
