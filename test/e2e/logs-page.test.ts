// The log of a machine in a real browser: it follows, pauses, searches, and keeps up.
import type { Page } from 'playwright-core';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { hasBrowser } from '../support/browser.ts';
import { isInOrder, isInOrderEverywhere, useFleetBrowser } from '../support/fleet-browser.ts';
import { WAIT } from '../support/operations.ts';
import { insertFreeVms } from '../support/rows.ts';

const HOSTNAME = 'vm-1';
const PAGE = `/admin/logs/${HOSTNAME}`;

/** Axe looks at a page four times over: with many tests beside it, that takes its time. */
vi.setConfig({ testTimeout: 120_000 });

describe.skipIf(!hasBrowser)('the log of a machine in a browser', () => {
  const { complaints, lab, open } = useFleetBrowser();
  beforeEach(async () => {
    await lab.server.db.deleteFrom('vms').execute();
    await insertFreeVms(lab.server.db, [HOSTNAME]);
  });

  async function send(messages: readonly string[]): Promise<void> {
    const { response } = await lab.server.client.POST('/api/vm-logs', {
      body: { log_group: 'g', log_stream: HOSTNAME, messages: [...messages] },
    });
    expect(response.status).toBe(200);
  }
  const numbered = (count: number, from = 1): string[] =>
    Array.from({ length: count }, (_, index) => `line ${from + index}`);
  const lines = (page: Page) => page.locator('.line');
  /** Of the element that holds the lines, as `log`. */
  const ofLog = <T>(page: Page, expression: string): Promise<T> =>
    page.evaluate<T>(`((log) => ${expression})(document.querySelector('[data-log]'))`);
  const isAtEnd = (page: Page): Promise<boolean> =>
    ofLog(page, 'log.scrollHeight - log.scrollTop - log.clientHeight < 4');

  test('the log page shows new lines in order and numbered, and says when there are none yet', async () => {
    const page = await open(PAGE);
    await page.getByText('This machine has not sent any log lines yet.').waitFor();
    await isInOrderEverywhere(page);
    await send(numbered(300));
    await page.getByText('line 300', { exact: true }).waitFor();
    await page.getByText('New lines appear at the end.').waitFor();
    await expect.poll(() => isAtEnd(page), WAIT).toBe(true);
    await send(numbered(5, 301));
    await page.getByText('line 305', { exact: true }).waitFor();
    await expect.poll(() => isAtEnd(page), WAIT).toBe(true);
    expect(await lines(page).allTextContents()).toEqual(numbered(305));
    expect(await lines(page).last().getAttribute('data-n')).toBe('305');
    await isInOrderEverywhere(page);
  });

  test('the log page pauses when the reader scrolls up, counts waiting lines, and goes to the end on request', async () => {
    await send(numbered(400));
    const page = await open(PAGE);
    await page.getByText('line 400', { exact: true }).waitFor();
    await ofLog(page, '{ log.scrollTop = 0; }');
    await page.getByText('Paused because you scrolled up.').waitFor();
    await send(numbered(3_212, 401));
    const toEnd = page.getByRole('button', { name: '3,212 new lines: go to the end' });
    await toEnd.waitFor();
    expect(await lines(page).count()).toBe(400);
    expect(await ofLog(page, 'log.scrollTop')).toBe(0);
    await isInOrderEverywhere(page);
    await toEnd.click();
    await page.getByText('line 3612', { exact: true }).waitFor();
    await expect.poll(() => isAtEnd(page), WAIT).toBe(true);
    expect(await lines(page).count()).toBe(3_612);
    expect(await toEnd.isVisible()).toBe(false);
    expect(await page.evaluate('document.activeElement.matches("[data-log]")')).toBe(true);
  });

  test('the log page is searched by keyboard alone: matches are marked and stepped through', async () => {
    await send(numbered(500).map((line, index) => (index % 100 === 0 ? `${line} Needle` : line)));
    const page = await open(PAGE);
    await page.getByText('line 500', { exact: true }).waitFor();
    await page.getByRole('searchbox', { name: 'Search these lines' }).focus();
    await page.keyboard.type('needle');
    await page.keyboard.press('Enter');
    await page.getByText('Match 1 of 5').waitFor();
    expect(await page.locator('.line.current').textContent()).toBe('line 1 Needle');
    await page.keyboard.press('Enter');
    await page.getByText('Match 2 of 5').waitFor();
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.press('Shift+Enter');
    await page.getByText('Match 5 of 5').waitFor();
    expect(await page.evaluate('CSS.highlights.get("log-match").size')).toBe(5);
    await isInOrder(page);
    await send(['another needle']);
    await page.getByRole('button', { name: /new line/ }).click();
    await page.getByText('Match 5 of 6').waitFor();
    await page.keyboard.press('n');
    await page.getByText('Match 6 of 6').waitFor();
    await page.getByRole('searchbox').fill('nowhere');
    await page.getByText('No match').waitFor();
    expect(await page.getByRole('button', { name: 'Next match' }).isDisabled()).toBe(true);
  });

  test('the log page shows only errors on request, and says when there are none', async () => {
    await send(['all is well', 'ERROR it broke', 'all is well again']);
    const page = await open(PAGE);
    await page.getByLabel('Errors only').check();
    await page.getByText('ERROR it broke').waitFor();
    expect(await page.getByText('all is well again').isVisible()).toBe(false);
    await send(['fatal: it broke again', 'calm']);
    await page.getByText('fatal: it broke again').waitFor();
    expect(await page.getByText('calm', { exact: true }).isVisible()).toBe(false);
    await isInOrderEverywhere(page);
    await page.getByLabel('Errors only').uncheck();
    await page.getByText('calm', { exact: true }).waitFor();
    await lab.server.db.deleteFrom('vm_logs').execute();
    await send(['calm']);
    const calm = await open(PAGE);
    await calm.getByLabel('Errors only').check();
    await calm.getByText('No line looks like an error.').waitFor();
  });

  test('the log page loads earlier lines on request, and offers all lines as a file', async () => {
    await send(numbered(1_200));
    const page = await open(PAGE);
    await page.getByText('700 earlier lines are not shown.').waitFor();
    await page.getByRole('button', { name: 'Load earlier lines' }).click();
    await expect.poll(() => lines(page).count(), WAIT).toBe(1_200);
    expect(await lines(page).first().textContent()).toBe('line 1');
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download as text' }).click(),
    ]);
    expect(file.suggestedFilename()).toBe('vm-1.log.txt');
    const response = await fetch(`${lab.server.url}/api/v1/vms/${HOSTNAME}/logs.txt`, {
      headers: lab.auth,
    });
    expect(await response.text()).toBe(`${numbered(1_200).join('\n')}\n`);
  });

  test('the log page wraps long lines, or does not, as chosen', async () => {
    await send(['x'.repeat(3_000)]);
    const page = await open(PAGE);
    const isWide = (): Promise<boolean> => ofLog(page, 'log.scrollWidth > log.clientWidth');
    await expect.poll(isWide, WAIT).toBe(false);
    await page.getByLabel('Wrap long lines').uncheck();
    await expect.poll(isWide, WAIT).toBe(true);
    await isInOrder(page);
  });

  test('when the connection of the log page breaks, no line is lost or shown twice', async () => {
    await send(numbered(10));
    const page = await open(PAGE);
    await send(['before the break']);
    await page.getByText('before the break').waitFor();
    await page.context().setOffline(true);
    await send(['in the dark']);
    await page.context().setOffline(false);
    await page.getByText('in the dark').waitFor();
    await send(['after it']);
    await page.getByText('after it').waitFor();
    const texts = await lines(page).allTextContents();
    expect(texts).toEqual([...numbered(10), 'before the break', 'in the dark', 'after it']);
    complaints.length = 0;
  });

  test('the log page says that a machine was destroyed, and keeps its last lines', async () => {
    await send(['the last words']);
    const page = await open(PAGE);
    await page.getByText('the last words').waitFor();
    await lab.server.db.deleteFrom('vms').execute();
    await page.getByRole('alert').getByText('This machine no longer exists').waitFor();
    expect(await page.getByText('the last words').isVisible()).toBe(true);
    await isInOrderEverywhere(page);
  });

  test('without JavaScript the log page shows the newest lines and a link to refresh', async () => {
    await send(numbered(3));
    const page = await open(PAGE, { javaScriptEnabled: false });
    await page.getByText('line 3', { exact: true }).waitFor();
    await send(['later']);
    await page.getByRole('link', { name: 'Refresh' }).click();
    await page.getByText('later').waitFor();
    expect(await page.getByRole('searchbox').isVisible()).toBe(false);
  });
});
