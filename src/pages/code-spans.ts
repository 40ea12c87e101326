// Sentences of the catalogue mark code with backticks, since they are read as plain text too; pages show it as code.

/** One of the two is null. */
export type Span =
  { readonly plain: string; readonly code: null } | { readonly plain: null; readonly code: string };

/** A sentence in pieces: every other piece between two backticks is code. A backtick without a second stays text. */
export function codeSpans(sentence: string): readonly Span[] {
  return sentence
    .split(/(`[^`]+`)/)
    .filter((piece) => piece !== '')
    .map((piece) =>
      /^`[^`]+`$/.test(piece) ? { plain: null, code: piece.slice(1, -1) } : { plain: piece, code: null },
    );
}
