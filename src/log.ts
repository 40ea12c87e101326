// The log: JSON lines by pino behind a narrow type, so that no other file knows pino. What is secret never reaches it:
// log/redact.ts looks at every field and every sentence first. Knows nobody else.
import { pino } from 'pino';
import { redactFields } from './log/redact.ts';
import { scrubText } from './log/scrub.ts';

export type LogFields = Readonly<Record<string, unknown>>;

/** What the rest of the program may do with a log: fields for programs, one sentence for people. */
export type Log = {
  readonly debug: (fields: LogFields, message: string) => void;
  readonly info: (fields: LogFields, message: string) => void;
  readonly warn: (fields: LogFields, message: string) => void;
  readonly error: (fields: LogFields, message: string) => void;
  /** A log whose every line carries these fields too. */
  readonly child: (fields: LogFields) => Log;
};

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export type LogOptions = {
  readonly level: LogLevel;
  /** Takes one line of JSON at a time, newline included; without it, standard output, synchronously. */
  readonly destination?: { readonly write: (line: string) => void };
};

type PinoLogger = ReturnType<typeof pino>;

/** The root of all logs. Errors go under the field `err` by custom, and are described wherever they stand. */
export function createLog({ level, destination }: LogOptions): Log {
  const options = {
    level,
    // Not the machine's name, which pino adds by itself: `hostname` is a VM's here.
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // The errors are plain fields by then.
    serializers: { err: (value: unknown) => value },
  };
  return wrap(destination === undefined ? pino(options) : pino(options, destination));
}

/** The log of one request: every line tells its id, as the field `request_id`. */
export function logForRequest(log: Log, requestId: string): Log {
  return log.child({ request_id: requestId });
}

function wrap(logger: PinoLogger): Log {
  const at = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: LogFields, message: string) => {
    if (logger.isLevelEnabled(level)) logger[level](redactFields(fields), scrubText(message));
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(logger.child(redactFields(fields))),
  };
}
