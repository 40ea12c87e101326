// A place on the waiting list: kept up to date, and when a machine is reserved, the page asks for a new command.
import { readAnswer, type Schema } from '../contract/answer.ts';
import { sayDuration } from '../pages/spans.ts';
import { announce } from './announce.ts';
import { pause, showConnection } from './connection.ts';
import { dataOf, find, findAll, need, setText } from './dom.ts';
import { forgetDraft } from './draft.ts';
import { request } from './request.ts';

type Place = Schema<'WaitingPlace'>;

const ASK_MS = 3_000;
/** The browsers of a workshop have one address: they do not ask at the same moment. */
const JITTER = 0.3;
const TICK_MS = 1_000;
const GONE_STATUSES: ReadonlySet<number> = new Set([401, 404]);
const TONE_HERTZ = 660;
const TONE_SECONDS = 0.7;
const TONE_VOLUME = 0.2;

/** Asks in the background too: who does not ask is skipped. False where this browser has no place. */
export function followPlace(): boolean {
  const section = find(HTMLElement, '[data-place]');
  if (!section) return find(HTMLElement, '[data-place-left]') !== null;
  // The page may have come as the answer to a form: loading it again must not send the form again.
  history.replaceState(null, '', '/');
  forgetDraft();
  const sound = createSound(section);
  const countDown = createCountdown(need(HTMLElement, '[data-place-left-time]', section));
  const title = document.title;
  section.focus();
  if (section.dataset['state'] === 'reserved') countDown();
  void follow(section, (place) => show({ section, place, title, countDown, sound }));
  return true;
}

async function follow(section: HTMLElement, onPlace: (place: Place) => void): Promise<void> {
  for (;;) {
    await pause(ASK_MS * (1 + JITTER * Math.random()));
    const place = await ask(dataOf(section, 'place'));
    showConnection(place !== null);
    // The machine was assigned in another tab, or the place was lost: the start page shows which.
    if (place === 'gone' || place?.state === 'left') {
      location.replace('/');
      return;
    }
    if (place !== null) onPlace(place);
  }
}

/** Null where the server cannot say now. */
async function ask(address: string): Promise<Place | 'gone' | null> {
  try {
    const response = await request(address);
    if (GONE_STATUSES.has(response.status)) return 'gone';
    return response.ok ? readAnswer('WaitingPlace', await response.text()) : null;
  } catch {
    return null;
  }
}

type Shown = {
  readonly section: HTMLElement;
  readonly place: Place;
  readonly title: string;
  readonly countDown: () => void;
  readonly sound: () => void;
};

function show({ section, place, title, countDown, sound }: Shown): void {
  setText(need(HTMLElement, '[data-place-message]', section), place.message);
  setText(need(HTMLElement, '[data-place-estimate]', section), place.estimate);
  if (place.reserved_seconds !== null)
    need(HTMLElement, '[data-place-left-time]', section).dataset['seconds'] = String(place.reserved_seconds);
  if (section.dataset['state'] === place.state) return;
  section.dataset['state'] = place.state;
  const isReserved = place.state === 'reserved';
  const heading = need(HTMLElement, '[data-place-title]', section);
  setText(heading, dataOf(heading, place.state));
  for (const part of findAll(HTMLElement, '[data-when]', section))
    part.hidden = dataOf(part, 'when') !== place.state;
  need(HTMLElement, '[data-request-part]').hidden = !isReserved;
  document.title = isReserved
    ? `${dataOf(section, 'yourTurn')}: ${title}`
    : title.replace(`${dataOf(section, 'yourTurn')}: `, '');
  announce(`${heading.textContent}. ${place.message}`);
  if (!isReserved) return;
  section.focus();
  countDown();
  sound();
}

/** Between two answers it counts by itself. */
function createCountdown(line: HTMLElement): () => void {
  let timer = 0;
  const tick = (): void => {
    const seconds = Math.max(0, Number(dataOf(line, 'seconds')));
    setText(line, sayDuration(new Date(0).toISOString(), new Date(seconds * 1_000).toISOString()));
    line.dataset['seconds'] = String(seconds - 1);
  };
  return () => {
    clearInterval(timer);
    tick();
    timer = setInterval(tick, TICK_MS);
  };
}

/** Off until somebody wants it: browsers play nothing before the reader has touched the page. */
function createSound(section: HTMLElement): () => void {
  const choice = need(HTMLElement, '[data-sound-choice]', section);
  const box = need(HTMLInputElement, '[data-sound]', choice);
  choice.hidden = false;
  let context: AudioContext | null = null;
  box.addEventListener('change', () => {
    if (box.checked) context ??= new AudioContext();
  });
  return () => {
    if (!box.checked || !context) return;
    const tone = context.createOscillator();
    const volume = context.createGain();
    volume.gain.value = TONE_VOLUME;
    tone.frequency.value = TONE_HERTZ;
    tone.connect(volume).connect(context.destination);
    tone.start();
    tone.stop(context.currentTime + TONE_SECONDS);
  };
}
