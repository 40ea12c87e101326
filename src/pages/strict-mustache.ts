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
    const [first = '', ...rest] = name.split('.');
    const view: unknown = this.view;
    if (!hasOwn(view, first)) {
      if (this.parent) return this.parent.lookup(name);
      throw new Error(`the view has no {{${name}}}`);
    }
    let value = view[first];
    for (const step of rest) {
      if (!hasOwn(value, step)) throw new Error(`the view has no {{${name}}}`);
      value = value[step];
    }
    if (value === undefined) throw new Error(`{{${name}}} is undefined`);
    if (typeof value === 'function') throw new Error(`{{${name}}} is a function`);
    return value;
  }
}

/** Prints text and numbers, escaped, and nothing else. */
export class StrictWriter extends mustache.Writer {
  override escapedValue(token: string[], context: mustache.Context): string {
    const name = token[1] ?? '';
    const value: unknown = context.lookup(name);
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw new Error(`{{${name}}} is neither text nor a number`);
    }
    return mustache.escape(value);
  }

  override unescapedValue(token: string[]): string {
    throw new Error(`{{{${token[1] ?? ''}}}} is not escaped`);
  }

  // Indenting would change what stands in <pre> and <textarea>, and parse every partial again.
  override indentPartial(partial: string): string {
    return partial;
  }
}

function hasOwn(value: unknown, name: string): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, name);
}
