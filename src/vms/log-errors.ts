// Which log lines look like errors: a guess, made in this one place. Pure.

/** Words by which programs say that something went wrong, and the levels of common loggers. */
const TROUBLE =
  /\b(?:error|errors|err|fatal|critical|crit|emerg|panic|exception|traceback|failed|failure|segfault|oom-killer|killed|denied|timed out|unreachable|cannot|could not|unable to|no such file|not found)\b|\w(?:Error|Exception)\b/i;

/** Lines that name an error to say that there is none. */
const HARMLESS =
  /\b(?:0|no|without|zero|any) (?:errors?|failures?)\b|\b(?:errors?|failed|failures?)["']?\s*[:=]\s*(?:0|none|null|false)\b|\bif (?:it |this )?(?:failed|fails)\b/gi;

/** A line whose level is said to be a peaceful one, at its beginning: what it talks about is no trouble of its own. */
const PEACEFUL =
  /^\W*(?:[\d:.,TZ/+-]+\s+){0,3}\W*(?:level=)?(?:info|debug|trace|notice)\b|"level"\s*:\s*"?(?:info|debug|trace|10|20|30)\b/i;

export function looksLikeError(line: string): boolean {
  if (PEACEFUL.test(line)) return false;
  return TROUBLE.test(line.replaceAll(HARMLESS, ''));
}
