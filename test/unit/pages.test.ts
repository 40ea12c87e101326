import { describe, expect, test } from 'vitest';
import { problemBody } from '../../src/contract/problems.ts';
import { renderAdmin } from '../../src/pages/admin.ts';
import { renderCheck } from '../../src/pages/check.ts';
import { renderDocs } from '../../src/pages/docs.ts';
import { renderIndex } from '../../src/pages/index-page.ts';
import { renderInstanceLogs } from '../../src/pages/instance-logs.ts';
import { renderInstances } from '../../src/pages/instances.ts';
import { renderError } from '../../src/pages/problem.ts';
import { renderRedirect } from '../../src/pages/redirect.ts';
import { readVmQuery } from '../../src/vms/vm-table.ts';
import { renderSuccess } from '../../src/pages/success.ts';
import { renderVm } from '../../src/pages/vm.ts';
import { assigned, assignment, form, HOSTILE, NOW, vm } from '../support/page-models.ts';

describe('every page', () => {
  const hostile = { ...assigned, hostname: HOSTILE, email: HOSTILE, message: HOSTILE };
  const pages: readonly (readonly [string, string])[] = [
    [
      'index',
      renderIndex({
        ...form,
        values: { email: HOSTILE, crd_command: `</textarea>${HOSTILE}` },
        error: {
          message: HOSTILE,
          fields: { email: HOSTILE, crd_command: HOSTILE, pin: HOSTILE, [HOSTILE]: HOSTILE },
        },
        askForPin: true,
        mine: [{ id: HOSTILE, hostname: HOSTILE }],
        workshop: { title: HOSTILE, instructions: HOSTILE, contact: HOSTILE },
      }),
    ],
    ['success', renderSuccess(hostile)],
    [
      'admin',
      renderAdmin({
        lab: {
          total: 1,
          reserved: 0,
          free: 0,
          assigned: 1,
          in_use: 0,
          starting: 0,
          failed: 1,
          by_status: {},
          attention: [
            { hostname: HOSTILE, email: HOSTILE, reason: 'error', message: HOSTILE, since: HOSTILE },
          ],
          attention_total: 1,
          unmatched: 0,
          waiting: 0,
          missing: 0,
          scheduled: [],
          operation: null,
        },
        checks: [{ name: HOSTILE, ok: false, detail: HOSTILE }],
        launches: true,
        now: NOW,
      }),
    ],
    [
      'instances',
      renderInstances({
        vms: [{ ...vm, hostname: HOSTILE, assignment: { ...assignment, ...hostile } }],
        matching: 1,
        total: 1,
        page: 1,
        pages: 1,
        query: readVmQuery({ q: HOSTILE }),
        cursor: null,
        now: NOW,
      }),
    ],
    [
      'vm',
      renderVm({
        vm: { ...vm, hostname: HOSTILE, address: HOSTILE, assignment: { ...assignment, ...hostile } },
        timeline: [{ at: HOSTILE, kind: 'action', text: HOSTILE, who: HOSTILE }],
        launchId: HOSTILE,
        access: { browsers: 1, requestedFrom: HOSTILE },
        browserAllowedUntil: HOSTILE,
        freeCount: 1,
        canRestart: true,
        isCreatedHere: true,
        lastDownload: { at: NOW, files: 1, bytes: 1, complete: false },
        done: 'release',
        error: HOSTILE,
        now: NOW,
      }),
    ],
    ['redirect', renderRedirect(HOSTILE)],
    [
      'instance-logs',
      renderInstanceLogs({
        hostname: HOSTILE,
        status: 'running',
        lines: [{ text: `</div>${HOSTILE}`, isError: true }],
        older: 1,
        linesCut: 1,
        after: 7,
      }),
    ],
    [
      'error',
      renderError({
        problem: {
          ...problemBody('invalid_request', {
            detail: `\`${HOSTILE}\``,
            errors: [{ field: HOSTILE, code: HOSTILE, message: HOSTILE }],
          }),
          title: HOSTILE,
          request_id: HOSTILE,
        },
        area: 'admin',
      }),
    ],
    ['check', renderCheck({ title: HOSTILE, contact: HOSTILE }, NOW)],
    ['docs', renderDocs()],
  ];

  test.each(pages)('the page %s escapes all values', (_name, html) => {
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain('</textarea>"');
    expect(html).not.toContain('</pre>"');
  });

  test.each(pages)(
    'the page %s has a title, a language, one h1, one main, and a skip link',
    (_name, html) => {
      expect(html).toMatch(/^<!doctype html>\n<html lang="en-GB">/);
      expect(html).toMatch(/<title>[^<]+<\/title>/);
      expect(html).toContain('name="viewport"');
      expect(html.match(/<h1>/g)).toHaveLength(1);
      expect(html.match(/<main /g)).toHaveLength(1);
      expect(html).toContain('<a class="skip" href="#content">');
      expect(html.trimEnd()).toMatch(/<\/html>$/);
    },
  );

  test.each(pages)(
    'the page %s has each id once, and every reference to an id has its target',
    (_name, html) => {
      const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
      expect(new Set(ids).size).toBe(ids.length);
      const references = [...html.matchAll(/ (?:for|aria-labelledby|aria-describedby|href)="(#?)([^"]+)"/g)]
        .filter(([reference, hash]) => !reference.startsWith(' href') || hash === '#')
        .flatMap(([, , named = '']) => named.split(' '));
      expect(ids).toEqual(expect.arrayContaining(references));
    },
  );

  test.each(pages)('the page %s has a label for every form field', (_name, html) => {
    for (const [field] of html.matchAll(/<(?:input|textarea)[^>]*>/g)) {
      if (field.includes('type="hidden"')) continue;
      if (/ aria-label="[^"]+"/.test(field)) continue;
      const id = / id="([^"]+)"/.exec(field)?.[1] ?? 'none';
      expect(html).toMatch(new RegExp(`<label[^>]* for="${id}">`));
    }
  });
});
