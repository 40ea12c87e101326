// Shows the contract in Swagger UI. The standalone preset is left out: it brings an inline style, which the CSP refuses.
const place = document.querySelector('#swagger-ui');
const dark = matchMedia('(prefers-color-scheme: dark)');
const followScheme = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', followScheme);
followScheme();

// Where a problem's `type` leads.
const anchor = location.hash.startsWith('#problem-') ? document.getElementById(location.hash.slice(1)) : null;

globalThis.SwaggerUIBundle({
  url: place.dataset.contract,
  domNode: place,
  presets: [globalThis.SwaggerUIBundle.presets.apis],
  layout: 'BaseLayout',
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  deepLinking: anchor === null,
  validatorUrl: null,
});

// The viewer grows above the problems: the anchor that the address names stays in sight until the reader moves.
if (anchor) {
  const keepInSight = new ResizeObserver(() => anchor.scrollIntoView());
  keepInSight.observe(place);
  for (const move of ['wheel', 'touchstart', 'pointerdown', 'keydown']) {
    addEventListener(move, () => keepInSight.disconnect(), { once: true, passive: true });
  }
}
