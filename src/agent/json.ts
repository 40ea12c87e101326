// JSON text that something other than this process has written.
import * as z from 'zod';

/** Parses a JSON text; continue with `.pipe(schema)`. */
export const jsonText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue('is not JSON');
    return z.NEVER;
  }
});
