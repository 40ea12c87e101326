// What surrounds the content of every page: title, styles, scripts, navigation.
import { assetUrl } from './assets.ts';
import type { View } from './render.ts';

/** Decides the navigation and the width. */
export type Area = 'participant' | 'admin' | 'docs';

export type Layout = {
  /** The page's heading, and the first part of the browser's title. */
  readonly title: string;
  /** Where the browser's title begins with something else. */
  readonly tabTitle?: string;
  readonly area: Area;
  /** The deployment and its environment, beside the brand: two labs in two tabs must not look alike. */
  readonly site?: string | undefined;
  /** The browser's title then begins with "Error". */
  readonly isError?: boolean;
  /** The address that the navigation marks: of this page, or of the one that it belongs to. */
  readonly current?: string;
  /** Names of static files. */
  readonly styles?: readonly string[];
  readonly scripts?: readonly string[];
  readonly modules?: readonly string[];
  /** Without JavaScript, the browser loads this address after so many seconds. */
  readonly refresh?: { readonly seconds: number; readonly href: string };
};

const BRAND = 'LabLink';

/** Preparing a lab, looking back on it, programming it. Destroying stands on the pages that it concerns. */
const adminLinks = [
  [
    { href: '/admin', label: 'Overview' },
    { href: '/admin/instances', label: 'Machines' },
    { href: '/admin/create', label: 'Launch' },
    { href: '/admin/schedule', label: 'Schedule' },
    { href: '/admin/settings', label: 'Settings' },
    { href: '/admin/waiting-list', label: 'Waiting list' },
    { href: '/admin/notifications', label: 'Notifications' },
  ],
  [
    { href: '/admin/operations', label: 'Operations' },
    { href: '/admin/charts', label: 'Charts' },
    { href: '/admin/fleet', label: 'Cost' },
  ],
  [{ href: '/docs', label: 'API docs' }],
] as const;

/** The part of a page's view that the layout partials read. */
export function layoutView(layout: Layout): { readonly page: View } {
  const { title, area, isError = false, current, styles = [], scripts = [], modules = [], refresh } = layout;
  const { site } = layout;
  const heading = [layout.tabTitle ?? title, ...(site === undefined ? [] : [site]), BRAND].join(' · ');
  const groups = area === 'participant' ? [] : adminLinks;
  return {
    page: {
      title,
      documentTitle: isError ? `Error: ${heading}` : heading,
      home: area === 'participant' ? '/' : '/admin',
      narrow: area === 'participant',
      icon: assetUrl('favicon.svg'),
      styles: [...styles, 'app.css'].map(assetUrl),
      scripts: scripts.map(assetUrl),
      modules: ['shell.js', ...modules].map(assetUrl),
      refresh: refresh ?? null,
      site: site ?? null,
      hasNav: groups.length > 0,
      groups: groups.map((links) => ({
        links: links.map((link) => ({ ...link, current: link.href === current })),
      })),
    },
  };
}
