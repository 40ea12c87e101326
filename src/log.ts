// The log: JSON lines by pino behind a narrow type, so that no other file knows pino. log/redact.ts removes secrets from
// every field and message first.
import { pino } from 'pino';
import { redactFields } from './log/redact.ts';
import { scrubText } from './log/scrub.ts';

export type LogFields = Readonly<Record<string, unknown>>;

/** Fields for programs, one sentence for people. */
export type Log = {
  readonly debug: (fields: LogFields, message: string) => void;
  readonly info: (fields: LogFields, message: string) => void;
  readonly warn: (fields: LogFields, message: string) => void;
  readonly error: (fields: LogFields, message: string) => void;
  /** A log with these fields in every line. */
  readonly child: (fields: LogFields) => Log;
};

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export type LogOptions = {
  readonly level: LogLevel;
  /** Takes one line of JSON at a time, newline included; without it, standard output, synchronously. */
  readonly destination?: { readonly write: (line: string) => void };
};

type PinoLogger = ReturnType<typeof pino>;

/** The root of all logs. Pass errors as `err`; an error in any other field is described too. */
export function createLog({ level, destination }: LogOptions): Log {
  const options = {
    level,
    // Without the name of this computer, which pino adds by default: here `hostname` is that of a VM.
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // Errors are plain fields already.
    serializers: { err: (value: unknown) => value },
  };
  return wrap(destination === undefined ? pino(options) : pino(options, destination));
}

/** The log of one request: every line has its `request_id`. */
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
