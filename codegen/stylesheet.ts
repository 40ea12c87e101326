// Reduces Tabler's stylesheet (635 kB) to the rules that the pages use, with PurgeCSS. Also changes its dark theme, which
// depends on an attribute, to follow the system's setting, so that it works without JavaScript. docs/adr/0004.
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postcss, { type Rule } from 'postcss';
import { PurgeCSS } from 'purgecss';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The files that contain class names, each written out in full. */
const CONTENT = ['templates/**/*.mustache', 'src/pages/**/*.ts', 'src/browser/**/*.ts'];

const DARK = '[data-bs-theme=dark]';
/**
 * Selectors of other themes and layouts, which the pages do not use. The layouts use `.page:has(…)`, which would make the
 * browser recalculate all styles of the page for each changed text.
 */
const CHOSEN = /\[data-bs-(?:theme=light|navbar-theme|theme-|navbar-position)|\.[\w-]+\[data-bs-theme=dark\]/;

/** The part of the stylesheet that the pages use. */
export async function fitStylesheet(css: string): Promise<string> {
  const content = await Promise.all((await contentFiles()).map((path) => readFile(path, 'utf8')));
  return purgeStylesheet(css, content);
}

/** The rules whose classes occur in one of these texts. */
export async function purgeStylesheet(css: string, content: readonly string[]): Promise<string> {
  const purged = await new PurgeCSS().purge({
    content: content.map((raw) => ({ raw, extension: 'html' })),
    css: [{ raw: css }],
    safelist: ['data-bs-theme', 'dark'],
  });
  const sheet = postcss.parse(purged[0]?.css ?? '');
  sheet.walkRules(followTheSystem);
  return sheet.toString();
}

async function contentFiles(): Promise<string[]> {
  return Array.fromAsync(glob(CONTENT, { cwd: root }), (path) => join(root, path));
}

/** Changes `[data-bs-theme=dark] .x` to `:root .x`, which has the same specificity, in a query for dark systems. */
function followTheSystem(rule: Rule): void {
  const selectors = rule.selectors.filter((selector) => !CHOSEN.test(selector));
  const dark = selectors.filter((selector) => selector.includes(DARK));
  if (dark.length > 0) rule.after(darkRule(rule, dark.map(ofTheSystem)));
  const rest = selectors.filter((selector) => !selector.includes(DARK));
  if (rest.length === 0) rule.remove();
  else if (rest.length < rule.selectors.length) rule.selectors = rest;
}

function darkRule(rule: Rule, selectors: string[]): string {
  return `@media (prefers-color-scheme:dark){${rule.clone({ selectors }).toString()}}`;
}

function ofTheSystem(selector: string): string {
  return selector.replace(/^(?::root|(\w*))\[data-bs-theme=dark\]/, (_, element: string | undefined) =>
    element ? `:root ${element}` : ':root',
  );
}
