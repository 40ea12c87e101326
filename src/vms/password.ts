// The rule for new passwords of accounts. Pure.

/** Characters of a new password; the forms have the same numbers. */
const PASSWORD_MIN = 12;
export const PASSWORD_MAX = 128;
const DIFFERENT_MIN = 4;

/** The rule, for the forms. */
export const PASSWORD_HINT = `At least ${PASSWORD_MIN} characters, ${DIFFERENT_MIN} of them different, without the name.`;

/** What is wrong with a new password, as a sentence; null = nothing. */
export function passwordFault(password: string, name: string): string | null {
  if (password.length < PASSWORD_MIN) return `The password needs at least ${PASSWORD_MIN} characters.`;
  if (password.length > PASSWORD_MAX) return `The password may have at most ${PASSWORD_MAX} characters.`;
  if (new Set(password).size < DIFFERENT_MIN)
    return `The password needs at least ${DIFFERENT_MIN} different characters.`;
  if (password.toLowerCase().includes(name.toLowerCase())) return 'The password must not contain the name.';
  return null;
}
