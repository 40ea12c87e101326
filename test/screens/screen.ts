// What a screen is: a page in one state, and how it is brought there. The tables of participant.ts, admin.ts and so on
// hold them; screens.test.ts looks at each with axe, and `make screenshots` takes its picture.
import type { Page } from 'playwright-core';
import type { FleetServer } from '../support/fleet-server.ts';
import type { TestServer } from '../support/server.ts';

export type Stage = {
  readonly page: Page;
  /** Its rows are emptied before each screen. */
  readonly server: TestServer;
  /** The whole server whose machines are scripted; `go` goes to it where the screen says `onFleet`. */
  readonly fleet: FleetServer;
  /** Goes to a page of the server, and waits until it is there. */
  readonly go: (path: string) => Promise<void>;
};

export type Screen = {
  /** Of the picture's file: letters, digits and dashes. */
  readonly name: string;
  readonly show: (stage: Stage) => Promise<void>;
  /** The status of the last page; 200 where nothing is said. */
  readonly status?: number;
  readonly javaScript?: false;
  readonly onFleet?: true;
  /** Its picture shows the window alone, and one window is judged: axe takes its time, and its rows are those of a shorter one. */
  readonly isLong?: true;
  /** Markup of others, and the findings of axe that are ignored because of it. */
  readonly foreign?: { readonly selector: string; readonly rules: readonly string[] };
};
