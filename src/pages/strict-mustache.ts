// Mustache, made strict: a name that the view does not have, or a value that is neither text nor number, throws instead
// of rendering nothing, and nothing is printed without escaping. Knows no template.
import mustache from 'mustache';

/** Looks names up in the view and the views around it; throws where none has it. Only own properties count. */
export class StrictContext extends mustache.Context {
  override push(view: unknown): StrictContext {
    return new StrictContext(view, this);
  }

  override lookup(name: string): unknown {
    if (name === '.') return this.view;
    const [first = '', ...rest] = stepsOf(name);
    let value: unknown = viewWith(this, first, name)[first];
    for (const step of rest) {
      if (!hasOwn(value, step)) throw new Error(`the view has no {{${name}}}`);
      value = value[step];
    }
    if (value === undefined) throw new Error(`{{${name}}} is undefined`);
    if (typeof value === 'function') throw new Error(`{{${name}}} is a function`);
    return value;
  }
}

const steps = new Map<string, readonly string[]>();

/** Of a thousand rows each asks for the same names. */
function stepsOf(name: string): readonly string[] {
  const known = steps.get(name) ?? name.split('.');
  steps.set(name, known);
  return known;
}

/** The nearest view that has it. */
function viewWith(nearest: StrictContext, first: string, name: string): Record<string, unknown> {
  for (let context: mustache.Context | undefined = nearest; context; context = context.parent) {
    const view: unknown = context.view;
    if (hasOwn(view, first)) return view;
  }
  throw new Error(`the view has no {{${name}}}`);
}

/** Prints text and numbers, escaped, and nothing else. */
export class StrictWriter extends mustache.Writer {
  readonly #parsed = new Map<string, unknown>();

  /**
   * Once for each template. Mustache's own cache makes a key of the whole text at every look, and it parses texts into chains of single
   * characters, which each page would put together anew: a copy has them in one piece.
   */
  override parse(template: string): unknown {
    const known = this.#parsed.get(template);
    if (known !== undefined) return known;
    const parsed: unknown = structuredClone(super.parse(template));
    this.#parsed.set(template, parsed);
    return parsed;
  }

  override escapedValue(token: string[], context: mustache.Context): string {
    const name = token[1] ?? '';
    const value: unknown = context.lookup(name);
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw new Error(`{{${name}}} is neither text nor a number`);
    }
    return this.print(String(value));
  }

  /** A value as it stands in the output. */
  protected print(text: string): string {
    return escape(text);
  }

  override unescapedValue(token: string[]): string {
    throw new Error(`{{{${token[1] ?? ''}}}} is not escaped`);
  }

  // Indenting would change what stands in <pre> and <textarea>, and parse every partial again.
  override indentPartial(partial: string): string {
    return partial;
  }
}

/** For plain text: nothing has a meaning there. */
export class PlainWriter extends StrictWriter {
  protected override print(text: string): string {
    return text;
  }
}

const ESCAPED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const SPECIAL = /[&<>"']/;

/** For texts and quoted attributes. Mustache's own escapes slashes and equals too: every address twice as long. */
function escape(text: string): string {
  return !SPECIAL.test(text)
    ? text
    : text.replaceAll(/[&<>"']/g, (character) => ESCAPED[character] ?? character);
}

function hasOwn(value: unknown, name: string): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, name);
}
