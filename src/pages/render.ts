// Templates in, HTML out: read and parsed once, rendered strictly, everything escaped. Messages are plain text. Knows no page.
import { readdirSync, readFileSync } from 'node:fs';
import { PlainWriter, StrictContext, StrictWriter } from './strict-mustache.ts';

type ViewValue = string | number | boolean | null | View | readonly ViewValue[];
/** What a template sees: plain data, nothing undefined, no functions. */
export type View = { readonly [name: string]: ViewValue };
export type Render = (template: string, view: View) => string;

const TEMPLATES = new URL('../../templates/', import.meta.url);
const EXTENSION = '.mustache';
const UNESCAPED_OR_NEW_TAGS = /\{\{\s*[{&=]/;
/** What is printed into an attribute could leave it. */
const UNQUOTED = /\s[\w-]+\s*=\s*\{\{/;
/** Between the parts of a table it means nothing, and would be a node of the page each. */
const TABLE_SPACE = /(?<=>)\s*\n\s*(?=<\/?(?:t[dhr]|thead|tbody)\b)/g;
const PARTIAL = /\{\{\s*>\s*([^\s}]+)\s*\}\}/g;

const templatesOfProject = readTemplates(TEMPLATES);
const isForMessages = (name: string): boolean => name.startsWith('messages/');
const templatesThat = (is: (name: string) => boolean): ReadonlyMap<string, string> =>
  new Map([...templatesOfProject].filter(([name]) => is(name)));

/** Renders a template of `templates/` by its name. Throws where view and template do not fit: that is a bug. */
export const render: Render = createRenderer(templatesThat((name) => !isForMessages(name)));

/** Renders a template of `templates/messages/` as plain text. Throws as `render` does. */
export function renderMessage(name: string, view: View): string {
  return renderPlain(`messages/${name}`, view);
}

const renderPlain = createRenderer(templatesThat(isForMessages), new PlainWriter());

/**
 * A renderer over these templates (name → text; partials are named `partials/…`). Throws where a template does not
 * parse, prints without escaping or without quotes, changes the tags, or names a partial that is not there.
 */
export function createRenderer(
  templates: ReadonlyMap<string, string>,
  writer: StrictWriter = new StrictWriter(),
): Render {
  const textOf = (name: string): string => {
    const text = templates.get(name);
    if (text === undefined) throw new Error(`there is no template ${name}`);
    return text;
  };
  const partial = (name: string): string => textOf(`partials/${name}`);
  for (const [name, text] of templates) {
    if (UNESCAPED_OR_NEW_TAGS.test(text)) throw new Error(`${name}: only escaped tags are allowed`);
    if (UNQUOTED.test(text)) throw new Error(`${name}: attributes with tags are quoted`);
    for (const [, used] of text.matchAll(PARTIAL)) partial(used ?? '');
    writer.parse(text);
  }
  return (name, view) => {
    try {
      return writer.render(textOf(name), new StrictContext(view), partial);
    } catch (cause) {
      throw new Error(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  };
}

/** The templates below this folder; names have no extension. */
export function readTemplates(folder: URL): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return new Map(
    files
      .filter((file) => file.endsWith(EXTENSION))
      .map((file) => file.replaceAll('\\', '/'))
      .map((file) => [
        file.slice(0, -EXTENSION.length),
        readFileSync(new URL(file, folder), 'utf8').replaceAll(TABLE_SPACE, ''),
      ]),
  );
}
