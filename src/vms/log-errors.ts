// Guesses which log lines are errors. Pure.

/** Words that programs use for errors, and the error levels of common loggers. */
const ERROR =
  /\b(?:error|errors|err|fatal|critical|crit|emerg|panic|exception|traceback|failed|failure|segfault|oom-killer|killed|denied|timed out|unreachable|cannot|could not|unable to|no such file|not found)\b|\w(?:Error|Exception)\b/i;

/** Phrases that mention an error but report none. */
const HARMLESS =
  /\b(?:0|no|without|zero|any) (?:errors?|failures?)\b|\b(?:errors?|failed|failures?)["']?\s*[:=]\s*(?:0|none|null|false)\b|\bif (?:it |this )?(?:failed|fails)\b/gi;

/** Lines that begin with a level below warning. */
const LOW_LEVEL =
  /^\W*(?:[\d:.,TZ/+-]+\s+){0,3}\W*(?:level=)?(?:info|debug|trace|notice)\b|"level"\s*:\s*"?(?:info|debug|trace|10|20|30)\b/i;

export function looksLikeError(line: string): boolean {
  if (LOW_LEVEL.test(line)) return false;
  return ERROR.test(line.replaceAll(HARMLESS, ''));
}
