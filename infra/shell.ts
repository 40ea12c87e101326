// Text for bash.

/** Single quotes: bash interprets nothing in them. Throws if the value contains a NUL byte. */
export function quoted(name: string, value: string): string {
  if (value.includes('\u0000'))
    throw new Error(`${name} contains a NUL byte, which an environment variable cannot contain.`);
  return `'${value.replaceAll("'", String.raw`'\''`)}'`;
}

/** Removes comment lines, a third of our scripts, but keeps the shebang. */
export function withoutComments(script: string): string {
  return script.replace(/^[ \t]*#(?!!).*\n/gm, '');
}
