// Follows a machine's log: new lines at the end, as long as the reader stands there; else they wait. Lines stand in blocks
// that the browser leaves out of its work while they are out of sight. What is shown is bounded; the download has all.
import { announce } from './announce.js';
import { searchLines } from './log-search.js';
import { followStream } from './sse.js';

const LINES_KEPT = 10_000;
const LINES_PER_BLOCK = 200;
/** Lines that a frame draws, and the part of what waits where that is more: nothing freezes, and nothing falls behind. */
const LINES_PER_FRAME = 100;
const PART_PER_FRAME = 1 / 8;
const NEAR_END_PX = 60;
const PIN_FRAMES_MAX = 20;

const log = document.querySelector('[data-log]');
const labels = JSON.parse(log.dataset.labels);
const toEnd = document.querySelector('[data-to-end]');
const state = document.querySelector('[data-state]');
const onlyErrors = document.querySelector('[data-only-errors]');

/** Elements of lines, oldest first. */
let lines = [...log.querySelectorAll('.line')];
/** What is not drawn yet, or came while the reader was elsewhere: batches as the server sends them. */
let waiting = [];
/** The frame that draws next; 0 = none is due. */
let drawing = 0;
let next = Number(log.dataset.next);
let isPaused = false;
let isGone = false;
let isScrolling = false;
/** The frame at which the end is looked for again; 0 = it is not. */
let pinned = 0;

const search = searchLines({
  root: document.querySelector('[data-tools]'),
  log,
  labels,
  lines: () => lines,
  show: reveal,
});

document.querySelector('[data-tools]').hidden = false;
if (lines.length === 0) log.replaceChildren();
splitFirstBlock();
pin();
sayState();
let end = follow(`${log.dataset.stream}?after=${log.dataset.after}`);

log.addEventListener('scroll', onScroll, { passive: true });
for (const name of ['wheel', 'touchmove', 'pointerdown', 'keydown'])
  log.addEventListener(name, unpin, { passive: true });
toEnd.addEventListener('click', goToEnd);
onlyErrors.addEventListener('change', () => {
  log.classList.toggle('only-errors', onlyErrors.checked);
  search.again();
  if (!isPaused) pin();
  sayState();
});
document.querySelector('[data-wrap]').addEventListener('change', (event) => {
  log.classList.toggle('wrapping', event.target.checked);
  if (!isPaused) pin();
});
const earlier = document.querySelector('[data-earlier]');
if (earlier) {
  earlier.hidden = false;
  earlier.addEventListener('click', loadEarlier);
}

function follow(address) {
  return followStream(address, { lines: onLines, status: onStatus, gone: onGone });
}

/** From the beginning of what is kept; the server leaves out what would be too much. */
function loadEarlier() {
  end();
  lines = [];
  waiting = [];
  next = 1;
  log.replaceChildren();
  document.querySelector('[data-older]').remove();
  log.focus();
  end = follow(log.dataset.stream);
}

function onLines(batch) {
  waiting.push(batch);
  forgetWaiting();
  draw();
  if (isPaused) sayState();
}

/** A part of what waits with every frame, until nothing does or the reader goes elsewhere. */
function draw() {
  if (isPaused || drawing !== 0 || waiting.length === 0) return;
  drawing = requestAnimationFrame(() => {
    drawing = 0;
    if (isPaused) return;
    append(takeWaiting(Math.max(LINES_PER_FRAME, Math.ceil(countWaiting() * PART_PER_FRAME))));
    pin();
    sayState();
    draw();
  });
}

/** At most so many lines, the oldest first. */
function takeWaiting(most) {
  const taken = [];
  let left = most;
  while (left > 0 && waiting.length > 0) {
    const [batch] = waiting;
    const { first_number: number, lines: texts, error_indexes: errors } = batch;
    if (texts.length <= left) taken.push(waiting.shift());
    else {
      taken.push({ number, lines: texts.slice(0, left), errors: errors.filter((index) => index < left) });
      const rest = errors.filter((index) => index >= left).map((index) => index - left);
      waiting[0] = { number: number + left, lines: texts.slice(left), errors: rest };
    }
    left -= texts.length;
  }
  return taken;
}

function countWaiting() {
  return waiting.reduce((sum, batch) => sum + batch.lines.length, 0);
}

/** As many wait as could be shown. */
function forgetWaiting() {
  let count = countWaiting();
  while (waiting.length > 1 && count - waiting[0].lines.length >= LINES_KEPT)
    count -= waiting.shift().lines.length;
}

function append(batches) {
  const added = [];
  for (const { number, lines: texts, errors } of batches) {
    if (number > next) skip(number - next);
    const wrong = new Set(errors);
    texts.forEach((text, index) => {
      const line = document.createElement('div');
      line.className = 'line';
      line.dataset.n = number + index;
      if (wrong.has(index)) line.dataset.error = '';
      line.textContent = text;
      place(line);
      added.push(line);
    });
    next = number + texts.length;
  }
  lines.push(...added);
  trim();
  search.added(added);
}

function place(line) {
  let block = log.lastElementChild;
  if (!block?.classList.contains('block') || block.childElementCount >= LINES_PER_BLOCK) {
    block = document.createElement('div');
    block.className = 'block';
    log.append(block);
  }
  block.append(line);
  if ('error' in line.dataset) block.dataset.errors = '';
}

function skip(count) {
  const note = document.createElement('p');
  note.className = 'skipped';
  note.textContent = labels.skipped.replace('{n}', count.toLocaleString());
  log.append(note);
}

/** Whole blocks go, the oldest first. */
function trim() {
  while (lines.length > LINES_KEPT) {
    const first = log.firstElementChild;
    if (first.classList.contains('block')) lines.splice(0, first.childElementCount);
    first.remove();
  }
}

/** The server sends one block. */
function splitFirstBlock() {
  const all = lines;
  log.replaceChildren();
  for (const line of all) place(line);
}

function onStatus({ status }) {
  const badge = document.querySelector('[data-vm-status]');
  badge.dataset.status = status;
  if (badge.textContent !== labels.vm[status]) badge.textContent = labels.vm[status];
}

function onGone() {
  isGone = true;
  end();
  const note = document.querySelector('[data-gone]');
  note.hidden = false;
  note.textContent = labels.gone;
  sayState();
}

/** Goes to the end, and stays there: blocks that come into sight get their real height only then. */
function pin() {
  log.scrollTop = log.scrollHeight;
  if (pinned !== 0) return;
  let frames = 0;
  let height = 0;
  const again = () => {
    const isSteady = frames > 1 && log.scrollHeight === height;
    height = log.scrollHeight;
    log.scrollTop = height;
    frames += 1;
    pinned = isSteady || frames > PIN_FRAMES_MAX ? 0 : requestAnimationFrame(again);
  };
  pinned = requestAnimationFrame(again);
}

/** The reader has the last word. */
function unpin() {
  cancelAnimationFrame(pinned);
  pinned = 0;
}

/** Whoever scrolls up reads; whoever comes back to the end follows again. */
function onScroll() {
  if (isScrolling) return;
  isScrolling = true;
  requestAnimationFrame(() => {
    isScrolling = false;
    if (pinned !== 0) return;
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
    if (isAtEnd === !isPaused) return;
    if (isAtEnd && waiting.length > 0) return;
    isPaused = !isAtEnd;
    sayState();
  });
}

/** A match is read where it stands: nothing moves below it. */
function reveal(line) {
  isPaused = true;
  unpin();
  line.scrollIntoView({ block: 'center' });
  sayState();
}

function goToEnd() {
  isPaused = false;
  draw();
  pin();
  log.focus({ preventScroll: true });
  sayState();
  announce(labels.following);
}

function sayState() {
  const count = countWaiting() + skippedBefore();
  toEnd.hidden = !isPaused;
  if (isPaused) {
    const text = count === 1 ? labels.newLine : labels.newLines.replace('{n}', count.toLocaleString());
    setText(toEnd, count === 0 ? labels.toEnd : text);
  }
  const isEmpty = lines.length === 0;
  const noErrors = onlyErrors.checked && !isEmpty && !lines.some((line) => 'error' in line.dataset);
  if (isGone) setText(state, '');
  else if (noErrors) setText(state, labels.none);
  else if (isPaused) setText(state, labels.paused);
  else if (!isEmpty) setText(state, labels.following);
}

/** Lines that were dropped while they waited. */
function skippedBefore() {
  return waiting.length === 0 ? 0 : Math.max(0, waiting[0].number - next);
}

function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
