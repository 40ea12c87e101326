// What every page has around its matter: title, styles, scripts, navigation.
import { assetUrl } from './assets.ts';
import type { View } from './render.ts';
import { words } from './words.ts';

/** Whose page it is: decides the navigation and the width. */
export type Area = 'participant' | 'admin' | 'docs';

export type Layout = {
  /** The page's heading, and the first part of the browser's title. */
  readonly title: string;
  readonly area: Area;
  /** Said before the title in the browser's tab, where something went wrong. */
  readonly titlePrefix?: string;
  /** The address that the navigation marks as the current one. */
  readonly current?: string;
  /** Names of static files. */
  readonly styles?: readonly string[];
  readonly scripts?: readonly string[];
  readonly modules?: readonly string[];
  /** Where there is no JavaScript, the browser goes there after this long. */
  readonly refresh?: { readonly seconds: number; readonly href: string };
};

const adminLinks = [
  { href: '/admin', label: words.nav.overview },
  { href: '/admin/instances', label: words.nav.instances },
  { href: '/admin/create', label: words.nav.create },
  { href: '/admin/operations', label: words.nav.operations },
  { href: '/admin/charts', label: words.nav.charts },
  { href: '/admin/instances/delete', label: words.nav.destroy },
  { href: '/admin/fleet', label: words.nav.fleet },
  { href: '/docs', label: words.nav.docs },
] as const;

/** What every page has. */
const ALWAYS = { styles: ['app.css'], modules: ['shell.js'] } as const;

/** The part of a page's view that the layout partials read. */
export function layoutView(layout: Layout): { readonly page: View; readonly words: View } {
  const heading = layout.title === words.brand ? words.brand : `${layout.title} · ${words.brand}`;
  const links = layout.area === 'admin' ? adminLinks : [];
  const modules = [...ALWAYS.modules, ...(layout.modules ?? [])];
  return {
    page: {
      title: layout.title,
      documentTitle: layout.titlePrefix ? `${layout.titlePrefix}: ${heading}` : heading,
      home: layout.area === 'admin' ? '/admin' : '/',
      narrow: layout.area === 'participant',
      icon: assetUrl('favicon.svg'),
      styles: [...(layout.styles ?? []), ...ALWAYS.styles].map(assetUrl),
      scripts: (layout.scripts ?? []).map(assetUrl),
      modules: modules.map(assetUrl),
      refresh: layout.refresh ?? null,
      hasNav: links.length > 0,
      links: links.map((link) => ({ ...link, current: link.href === layout.current })),
    },
    words,
  };
}
