// Tabler's stylesheet, fitted: rules of classes that no template names are left out (it is 635 kB whole), and its dark
// theme, which waits for an attribute, follows the reader's system instead, so that it does so without JavaScript too.
// Text in, text out; knows no file. docs/adr/0004 says why.

/** A rule `prelude { body }`, or a statement, whose body is null. */
type Rule = { readonly prelude: string; readonly body: string | null };

const COMMENT = /\/\*(?!!)[\s\S]*?\*\//g;
const CLASS = /\.((?:[\w-]|\\.|[^\p{ASCII}])+)/gu;
const FUNCTIONAL = /:(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)/g;
const DARK = '[data-bs-theme=dark]';
/**
 * Parts that are dark, or light, or elsewhere, by an attribute of their own; ours are as the reader's system is. The place
 * of the navigation is asked of `.page:has(…)`: with it every text that changes has the browser style the whole page anew.
 */
const CHOSEN = /\[data-bs-(?:theme=light|navbar-theme|theme-|navbar-position)|\.[\w-]+\[data-bs-theme=dark\]/;
const DARK_MEDIA = '@media (prefers-color-scheme:dark)';
/** At-rules whose body is rules again. */
const NESTING = /^@(?:media|supports|layer|container)\b/;

/** The stylesheet with the rules that these class names need. A `/*!` comment stays: it holds the licence. */
export function fitStylesheet(css: string, classNames: ReadonlySet<string>): string {
  return fitRules(css.replaceAll(COMMENT, ''), classNames);
}

/** Whatever can be a class name in these texts; too many rather than too few. */
export function namesIn(texts: Iterable<string>): ReadonlySet<string> {
  const names = new Set<string>();
  for (const text of texts) for (const [name] of text.matchAll(/[A-Za-z][\w-]*/g)) names.add(name);
  return names;
}

function fitRules(css: string, classNames: ReadonlySet<string>): string {
  let fitted = '';
  for (const rule of splitRules(css)) fitted += fitRule(rule, classNames);
  return fitted;
}

function fitRule({ prelude, body }: Rule, classNames: ReadonlySet<string>): string {
  if (body === null) return `${prelude};`;
  if (NESTING.test(prelude)) {
    const inner = fitRules(body, classNames);
    return inner === '' ? '' : `${prelude}{${inner}}`;
  }
  if (prelude.startsWith('@') || prelude.startsWith('/*')) return `${prelude}{${body}}`;
  const selectors = splitSelectors(prelude).filter((selector) => isNeeded(selector, classNames));
  const always = selectors.filter((selector) => !selector.includes(DARK));
  const inTheDark = selectors.filter((selector) => selector.includes(DARK)).map(ofTheSystem);
  const dark = inTheDark.length === 0 ? '' : `${DARK_MEDIA}{${inTheDark.join(',')}{${body}}}`;
  return `${always.length === 0 ? '' : `${always.join(',')}{${body}}`}${dark}`;
}

function isNeeded(selector: string, classNames: ReadonlySet<string>): boolean {
  if (CHOSEN.test(selector)) return false;
  const positive = selector.replaceAll(FUNCTIONAL, '');
  return [...positive.matchAll(CLASS)].every(([, name = '']) =>
    classNames.has(name.replaceAll(/\\(.)/g, '$1')),
  );
}

/** `[data-bs-theme=dark] .x` as `:root .x`: the same weight, for everybody whose system is dark. */
function ofTheSystem(selector: string): string {
  return selector.replace(/^(?::root|(\w*))\[data-bs-theme=dark\]/, (_, element: string | undefined) =>
    element ? `:root ${element}` : ':root',
  );
}

/** Rules and statements of one level, in order. */
function* splitRules(css: string): Generator<Rule> {
  let start = 0;
  while (start < css.length) {
    const end = endOf(css, start, '{;}');
    const prelude = css.slice(start, end).trim();
    if (css[end] !== '{') {
      if (prelude !== '') yield { prelude, body: null };
      start = end + 1;
      continue;
    }
    const close = endOf(css, end + 1, '}');
    yield { prelude, body: css.slice(end + 1, close) };
    start = close + 1;
  }
}

/** Where the first of these characters stands outside of strings, brackets and inner blocks; the length where none does. */
function endOf(css: string, start: number, stops: string): number {
  let depth = 0;
  const marks = /[{}()[\]"'\\;,]/g;
  marks.lastIndex = start;
  for (let mark = marks.exec(css); mark !== null; mark = marks.exec(css)) {
    const [character] = mark;
    if (depth === 0 && stops.includes(character)) return mark.index;
    if (character === '\\') marks.lastIndex += 1;
    else if (character === '"' || character === "'") marks.lastIndex = endOfString(css, mark.index) + 1;
    else if ('({['.includes(character)) depth += 1;
    else if (')}]'.includes(character)) depth -= 1;
  }
  return css.length;
}

function endOfString(css: string, start: number): number {
  const quote = css.charAt(start);
  let at = start + 1;
  while (at < css.length && css.charAt(at) !== quote) at += css.charAt(at) === '\\' ? 2 : 1;
  return at;
}

function splitSelectors(prelude: string): string[] {
  const selectors: string[] = [];
  for (let start = 0; start <= prelude.length;) {
    const end = endOf(prelude, start, ',');
    selectors.push(prelude.slice(start, end).trim());
    start = end + 1;
  }
  return selectors;
}
