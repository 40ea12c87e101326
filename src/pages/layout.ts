// What surrounds the content of every page: title, styles, scripts, navigation.
import { endpoints, type EndpointId } from '../contract/endpoints.gen.ts';
import { endpointList } from '../contract/erased.ts';
import type { Role } from '../contract/endpoint.ts';
import { mayCall, type Viewer } from '../contract/role.ts';
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
  /** Who has signed in: decides what is offered. Null where that is not known; the server refuses what it has to. */
  readonly viewer?: Viewer | null | undefined;
  /** Without navigation: nobody is signed in. */
  readonly isBare?: boolean;
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

export const ROLE_LABELS = { admin: 'Admin', instructor: 'Instructor' } as const satisfies Record<
  Role,
  string
>;

/** Only this person is signed out there: somebody else who signs in at that address is let in. */
function signOutHref(user: string): string {
  return `${endpoints.signOut.path}?from=${encodeURIComponent(user)}`;
}

/** Preparing a lab, looking back on it, programming it. Destroying stands on the pages that it concerns. */
const adminLinks = [
  [
    link('adminPage', 'Overview'),
    link('instancesPage', 'Machines'),
    link('createInstancesPage', 'Launch'),
    link('schedulePage', 'Schedule'),
    link('settingsPage', 'Settings'),
    link('waitingListPage', 'Waiting list'),
    link('notificationsPage', 'Notifications'),
  ],
  [
    link('operationsPage', 'Operations'),
    link('chartsPage', 'Charts'),
    link('fleetPage', 'Cost'),
    link('auditPage', 'Audit'),
    link('accountsPage', 'Accounts'),
  ],
  [link('docsPage', 'API docs')],
];

function link(id: EndpointId, label: string) {
  return { id, href: endpoints[id].path, label };
}

function viewerView({ user, role }: Viewer, current: string | undefined): View {
  return {
    user,
    role: ROLE_LABELS[role],
    ownHref: endpoints.accountPage.path,
    isOwn: current === endpoints.accountPage.path,
    signOut: signOutHref(user),
  };
}

function offeredTo(role: Role): Readonly<Record<string, boolean>> {
  return Object.fromEntries(endpointList.map(({ id }) => [id, mayCall(role, id)]));
}

/** What a template offers asks for the endpoint: `page.may.createOperation`. Made once: every page has it. */
const offered = { admin: offeredTo('admin'), instructor: offeredTo('instructor') };
/** Where nobody is known, all of it. */
const offersOf = (viewer: Viewer | null): Readonly<Record<string, boolean>> =>
  offered[viewer?.role ?? 'admin'];

/** The navigation, as far as it is of use to the viewer. */
function groupsOf({ area, isBare = false, viewer = null, current }: Layout) {
  const groups = area === 'participant' || isBare ? [] : adminLinks;
  return groups.map((links) => ({
    links: links
      .filter(({ id }) => offersOf(viewer)[id] === true)
      .map(({ href, label }) => ({ href, label, current: href === current })),
  }));
}

/** The part of a page's view that the layout partials read. */
export function layoutView(layout: Layout): { readonly page: View } {
  const {
    title,
    area,
    isError = false,
    current,
    viewer = null,
    styles = [],
    scripts = [],
    modules = [],
    refresh,
  } = layout;
  const { site } = layout;
  const heading = [layout.tabTitle ?? title, ...(site === undefined ? [] : [site]), BRAND].join(' · ');
  const groups = groupsOf(layout);
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
      may: offersOf(viewer),
      viewer: viewer && viewerView(viewer, current),
      groups,
    },
  };
}
