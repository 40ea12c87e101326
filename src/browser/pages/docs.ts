// Shows the contract in Swagger UI. Its standalone preset is left out: it brings an inline style, which the CSP refuses.
import { dataOf, need } from '../dom.ts';

declare global {
  /** Of swagger-ui-bundle.js, which the page loads before this module. */
  var SwaggerUIBundle: { (options: object): void; readonly presets: { readonly apis: unknown } };
}

const viewer = need(HTMLElement, '#swagger-ui');
const dark = matchMedia('(prefers-color-scheme: dark)');
const followScheme = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', followScheme);
followScheme();

// Where the `type` of a problem leads.
const anchor = location.hash.startsWith('#problem-') ? document.getElementById(location.hash.slice(1)) : null;

globalThis.SwaggerUIBundle({
  url: dataOf(viewer, 'contract'),
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
