// An error as fields for the log: its kind, message, stack and cause, and never what people wrote. The caller scrubs the
// texts.

/** The kind of an error. Detail, query, parameters and body are left out, because they contain values. */
const KIND_FIELDS = [
  'code',
  'errno',
  'syscall',
  'status',
  'statusCode',
  'severity',
  'schema',
  'table',
  'column',
  'constraint',
  'routine',
] as const;
const ERRORS_OF_AN_AGGREGATE = 10;

/** Postgres class 22, data exception: the message quotes the value that was sent. */
const DATA_EXCEPTION = /^22[0-9A-Z]{3}$/;

/** The error as plain fields. The cause stays an error, which the caller describes too. */
export function describeError(error: Error): Record<string, unknown> {
  const message = messageWithoutValues(error);
  const kind = Object.entries(error).filter(
    ([key, value]: [string, unknown]) =>
      KIND_FIELDS.some((field) => field === key) && (typeof value === 'string' || typeof value === 'number'),
  );
  return {
    type: error.name,
    message,
    ...Object.fromEntries(kind),
    stack: message === error.message ? error.stack : error.stack?.replaceAll(error.message, () => message),
    ...(error.cause === undefined ? {} : { cause: error.cause }),
    ...(error instanceof AggregateError ? { errors: error.errors.slice(0, ERRORS_OF_AN_AGGREGATE) } : {}),
  };
}

function messageWithoutValues(error: Error): string {
  const quotesValues = 'severity' in error && 'code' in error && DATA_EXCEPTION.test(String(error.code));
  return quotesValues ? error.message.replace(/".*"/s, '"[redacted]"') : error.message;
}
