// Log lines for a person at a terminal: time, level, message, and the fields in short. Programs get JSON instead.
import { z } from 'zod';

const line = z.looseObject({
  time: z.string(),
  level: z.string(),
  msg: z.string().optional(),
  err: z.looseObject({ message: z.string().optional() }).optional(),
});

/** In every line, or of no use to a person. */
const HIDDEN: readonly string[] = ['time', 'level', 'msg', 'pid', 'err'];
/** The page of a problem names it, so that the line can be found; where nothing is wrong it would only be long. */
const OF_PROBLEMS = 'request_id';
const QUIET_LEVELS: readonly string[] = ['trace', 'debug', 'info'];
const FIELD_CHARACTERS = 120;

/** A destination for `createLog`: rewrites each line of JSON for the terminal. */
export function consoleLines(output: { readonly write: (text: string) => unknown }) {
  return { write: (json: string): void => void output.write(renderLine(json)) };
}

/** Where the log goes, for `createLog`: as JSON straight to the output, or as text. @param format undefined: text on a terminal */
export function logDestination(
  format: 'json' | 'text' | undefined,
  output: { readonly isTTY?: boolean; readonly write: (text: string) => unknown },
) {
  const isText = format === undefined ? output.isTTY === true : format === 'text';
  return isText ? { destination: consoleLines(output) } : {};
}

function renderLine(json: string): string {
  const { time, level, msg = '', err, ...rest } = line.parse(JSON.parse(json));
  const fields = Object.entries(rest)
    .filter(([name]) => !HIDDEN.includes(name) && !(name === OF_PROBLEMS && QUIET_LEVELS.includes(level)))
    .map(([name, value]) => `${name}=${JSON.stringify(value).slice(0, FIELD_CHARACTERS)}`);
  const reason = err?.message === undefined ? [] : [`(${err.message})`];
  const clock = new Date(time).toLocaleTimeString('en-GB');
  return `${[clock, level.toUpperCase().padEnd(5), msg, ...reason, ...fields].join(' ')}\n`;
}
