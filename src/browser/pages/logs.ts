// Follows a machine's log: new lines are added at the end while the reader is there; else they wait. What is shown is
// bounded; the download has all lines.
import { readAnswer, type Schema } from '../../contract/answer.ts';
import { vmStatusLabels } from '../../pages/status-labels.ts';
import { announce } from '../announce.ts';
import { dataOf, find, need, setText } from '../dom.ts';
import { followStream } from '../event-stream.ts';
import { createLogLines } from '../log-lines.ts';
import { searchLines } from '../log-search.ts';
import { createWaitingLines } from '../waiting-lines.ts';

const LINES_WAITING = 10_000;
/** A frame draws so many lines, or this share of those that wait where that is more: nothing freezes or falls behind. */
const LINES_PER_FRAME = 100;
const SHARE_PER_FRAME = 1 / 8;
const NEAR_END_PX = 60;
const PIN_FRAMES_MAX = 20;
const FOLLOWING = 'Following: new lines appear at the end.';

const log = need(HTMLElement, '[data-log]');
const tools = need(HTMLElement, '[data-tools]');
const toEnd = need(HTMLButtonElement, '[data-to-end]');
const state = need(HTMLElement, '[data-state]');
const onlyErrors = need(HTMLInputElement, '[data-only-errors]');
const wrap = need(HTMLInputElement, '[data-wrap]');
const earlier = find(HTMLElement, '[data-earlier]');
const stream = dataOf(log, 'stream');

const waiting = createWaitingLines(LINES_WAITING);
const lines = createLogLines(log, Number(dataOf(log, 'next')));
const search = searchLines({ root: tools, log, lines: lines.all, show: reveal });
/** The frame that draws next; 0 = none is due. */
let drawing = 0;
let isPaused = false;
let isGone = false;
let isScrolling = false;
/** The frame that looks for the end again; 0 = none does. */
let pinned = 0;

tools.hidden = false;
pin();
showState();
let close = follow(`${stream}?after=${dataOf(log, 'after')}`);

log.addEventListener('scroll', onScroll, { passive: true });
for (const name of ['wheel', 'touchmove', 'pointerdown', 'keydown'])
  log.addEventListener(name, unpin, { passive: true });
toEnd.addEventListener('click', goToEnd);
onlyErrors.addEventListener('change', () => {
  log.classList.toggle('only-errors', onlyErrors.checked);
  search.again();
  if (!isPaused) pin();
  showState();
});
wrap.addEventListener('change', () => {
  log.classList.toggle('wrapping', wrap.checked);
  if (!isPaused) pin();
});
if (earlier) {
  earlier.hidden = false;
  earlier.addEventListener('click', loadEarlier);
}

function follow(address: string): () => void {
  return followStream(address, {
    lines: (data) => {
      waiting.add(readAnswer('LogLines', data));
      draw();
      if (isPaused) showState();
    },
    status: (data) => showStatus(readAnswer('LogStatus', data)),
    gone: showGone,
  });
}

/** From the first line that is kept; the server leaves out what would be too much. */
function loadEarlier(): void {
  close();
  waiting.clear();
  lines.clear();
  need(HTMLElement, '[data-older]').remove();
  log.focus();
  close = follow(stream);
}

/** A part of what waits with every frame, until nothing waits or the reader scrolls up. */
function draw(): void {
  if (isPaused || drawing !== 0 || waiting.count() === 0) return;
  drawing = requestAnimationFrame(() => {
    drawing = 0;
    if (isPaused) return;
    const part = Math.max(LINES_PER_FRAME, Math.ceil(waiting.count() * SHARE_PER_FRAME));
    search.added(lines.append(waiting.take(part)));
    pin();
    showState();
    draw();
  });
}

function showStatus({ status }: Schema<'LogStatus'>): void {
  if (status === null) return;
  const badge = need(HTMLElement, '[data-vm-status]');
  badge.dataset['status'] = status;
  setText(badge, vmStatusLabels[status]);
}

function showGone(): void {
  isGone = true;
  close();
  need(HTMLElement, '[data-gone]').hidden = false;
  showState();
}

/** Goes to the end and stays there: blocks that come into sight get their real height only then. */
function pin(): void {
  log.scrollTop = log.scrollHeight;
  if (pinned !== 0) return;
  let frames = 0;
  let height = 0;
  const again = (): void => {
    const isSteady = frames > 1 && log.scrollHeight === height;
    height = log.scrollHeight;
    log.scrollTop = height;
    frames += 1;
    pinned = isSteady || frames > PIN_FRAMES_MAX ? 0 : requestAnimationFrame(again);
  };
  pinned = requestAnimationFrame(again);
}

/** The reader decides where to look. */
function unpin(): void {
  cancelAnimationFrame(pinned);
  pinned = 0;
}

/** A reader who scrolls up reads; one who comes back to the end follows again. */
function onScroll(): void {
  if (isScrolling) return;
  isScrolling = true;
  requestAnimationFrame(() => {
    isScrolling = false;
    if (pinned !== 0) return;
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
    if (isAtEnd !== isPaused || (isAtEnd && waiting.count() > 0)) return;
    isPaused = !isAtEnd;
    showState();
  });
}

/** Nothing moves while a match is read. */
function reveal(line: HTMLElement): void {
  isPaused = true;
  unpin();
  line.scrollIntoView({ block: 'center' });
  showState();
}

function goToEnd(): void {
  isPaused = false;
  draw();
  pin();
  log.focus({ preventScroll: true });
  showState();
  announce(FOLLOWING);
}

function showState(): void {
  toEnd.hidden = !isPaused;
  if (isPaused) setText(toEnd, toEndText(waiting.count() + droppedLines()));
  const isEmpty = lines.all().length === 0;
  const noErrors = onlyErrors.checked && !lines.all().some((line) => line.dataset['error'] !== undefined);
  if (isGone) setText(state, '');
  else if (noErrors && !isEmpty) setText(state, 'No line looks like an error.');
  else if (isPaused) setText(state, 'Paused because you scrolled up.');
  else if (!isEmpty) setText(state, FOLLOWING);
}

function toEndText(count: number): string {
  if (count === 0) return 'Go to the end';
  return count === 1 ? '1 new line: go to the end' : `${count.toLocaleString()} new lines: go to the end`;
}

/** Lines that were dropped while they waited. */
function droppedLines(): number {
  const first = waiting.first();
  return first === null ? 0 : Math.max(0, first - lines.next());
}
