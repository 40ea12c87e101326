// Shows the contract in Swagger UI. Its standalone preset is left out: it brings an inline style, which the CSP refuses.
import { dataOf, need } from '../dom.ts';

declare global {
  /** Of swagger-ui-bundle.js, which the page loads before this module. */
  var SwaggerUIBundle: { (options: object): void; readonly presets: { readonly apis: unknown } };
}

const FOR_BROWSERS: ReadonlySet<string> = new Set([
  'text/html',
  'text/css',
  'text/javascript',
  'image/svg+xml',
]);

const viewer = need(HTMLElement, '#swagger-ui');
const dark = matchMedia('(prefers-color-scheme: dark)');
const followScheme = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', followScheme);
followScheme();

// Where the `type` of a problem leads.
const anchor = location.hash.startsWith('#problem-') ? document.getElementById(location.hash.slice(1)) : null;

const answer = await fetch(dataOf(viewer, 'contract'), { headers: { Accept: 'application/json' } });
const contract: unknown = await answer.json();

globalThis.SwaggerUIBundle({
  spec: withoutPages(contract),
  domNode: viewer,
  presets: [globalThis.SwaggerUIBundle.presets.apis],
  layout: 'BaseLayout',
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  deepLinking: anchor === null,
  validatorUrl: null,
});

// The viewer grows above the problems: the problem that the address names stays in sight until the reader moves.
if (anchor) {
  const keepInSight = new ResizeObserver(() => anchor.scrollIntoView());
  keepInSight.observe(viewer);
  for (const move of ['wheel', 'touchstart', 'pointerdown', 'keydown'])
    addEventListener(move, () => keepInSight.disconnect(), { once: true, passive: true });
}

/** The contract without what is for browsers alone: pages and static files. */
function withoutPages(spec: unknown): unknown {
  if (!isObject(spec) || !isObject(spec['paths'])) return spec;
  const paths = Object.entries(spec['paths']).filter(([, path]) => isObject(path) && !isForBrowsers(path));
  return { ...spec, paths: Object.fromEntries(paths) };
}

/** Its only endpoint answers with a page or a file, or has nothing to say. */
function isForBrowsers(path: Readonly<Record<string, unknown>>): boolean {
  const get = path['get'];
  if (!isObject(get) || 'post' in path || !isObject(get['responses'])) return false;
  const ok = get['responses']['200'];
  if (isObject(ok) && typeof ok['$ref'] === 'string') return ok['$ref'].endsWith('/Page');
  const types = isObject(ok) && isObject(ok['content']) ? Object.keys(ok['content']) : [];
  return types.length > 0 && types.every((type) => FOR_BROWSERS.has(type));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
