// Parts of the test environment that a laptop may lack, but CI may not: a browser, a venv, another user. Skipped tests are
// always reported.

/**
 * Whether a part that tests need is installed, for `describe.skipIf(!requirePart(…))`. If it is missing, prints one line, or
 * throws in CI (if the variable `CI` is set).
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
