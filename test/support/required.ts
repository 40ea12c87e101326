// Parts that a laptop may lack and CI may not: a browser, a venv, another user. Nothing is skipped in silence.

/**
 * Whether a part that tests need is there, for `describe.skipIf(!requirePart(…))`. Where it is missing, a laptop is told
 * in one line; under CI (the variable `CI` is set) it throws.
 */
export function requirePart(
  name: string,
  isThere: boolean,
  remedy: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  if (isThere) return true;
  const sentence = `${name} is missing, so its tests cannot run. ${remedy}`;
  if (env.CI !== undefined && env.CI !== '' && env.CI !== 'false') throw new Error(sentence);
  console.log(`skipped: ${sentence}`);
  return false;
}
