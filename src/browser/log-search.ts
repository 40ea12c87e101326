// Searches lines: how many match, which one is shown, and all matches marked. The marks are the browser's highlights, so that
// the lines stay as they are.
import { need, setText } from './dom.ts';

const HIGHLIGHT = 'log-match';
const HIGHLIGHTS_MAX = 2_000;
const DELAY_MS = 120;

type Searched = {
  readonly root: HTMLElement;
  readonly log: HTMLElement;
  readonly lines: () => readonly HTMLElement[];
  /** Brings a match into sight. */
  readonly show: (line: HTMLElement) => void;
};

export function searchLines({ root, log, lines, show }: Searched) {
  const field = need(HTMLInputElement, 'input[type="search"]', root);
  const result = need(HTMLElement, '[data-matches]', root);
  const previous = need(HTMLButtonElement, '[data-previous]', root);
  const next = need(HTMLButtonElement, '[data-next]', root);
  const marks = createMarks();
  let wanted = '';
  let matches: HTMLElement[] = [];
  let current: HTMLElement | null = null;

  const isMatch = (line: HTMLElement): boolean =>
    line.isConnected && isShown(line) && line.textContent.toLowerCase().includes(wanted);

  function again(): void {
    wanted = field.value.toLowerCase();
    matches = wanted === '' ? [] : lines().filter(isMatch);
    marks.clear();
    for (const line of matches.slice(-HIGHLIGHTS_MAX)) marks.add(line, wanted);
    if (current && !matches.includes(current)) setCurrent(null);
    showResult();
  }

  /** Searches new lines; lines that were removed are forgotten. */
  function added(newLines: readonly HTMLElement[]): void {
    if (wanted === '') return;
    matches = matches.filter((line) => line.isConnected);
    const found = newLines.filter(isMatch);
    matches.push(...found);
    if (marks.count() < HIGHLIGHTS_MAX) for (const line of found) marks.add(line, wanted);
    showResult();
  }

  function step(by: Step): void {
    if (field.value.toLowerCase() !== wanted) again();
    const at = current ? matches.indexOf(current) : -1;
    const from = at < 0 && by < 0 ? 0 : at;
    const match = matches[(from + by + matches.length) % matches.length];
    if (!match) return;
    setCurrent(match);
    show(match);
    showResult();
  }

  function setCurrent(line: HTMLElement | null): void {
    current?.classList.remove('current');
    current = line;
    current?.classList.add('current');
  }

  function showResult(): void {
    previous.disabled = next.disabled = matches.length === 0;
    const at = current ? matches.indexOf(current) + 1 : 0;
    const found =
      matches.length === 0
        ? 'No match'
        : `Match ${at.toLocaleString()} of ${matches.length.toLocaleString()}`;
    setText(result, wanted === '' ? '' : found);
  }

  next.addEventListener('click', () => step(1));
  previous.addEventListener('click', () => step(-1));
  listenToKeys({ field, log, again, step });
  return { again, added };
}

type Step = 1 | -1;

type Keys = {
  readonly field: HTMLInputElement;
  readonly log: HTMLElement;
  readonly again: () => void;
  readonly step: (by: Step) => void;
};

function listenToKeys({ field, log, again, step }: Keys): void {
  let timer = 0;
  field.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(again, DELAY_MS);
  });
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    clearTimeout(timer);
    step(event.shiftKey ? -1 : 1);
  });
  // Only while the lines have the focus: elsewhere a single key must do nothing.
  log.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/') {
      event.preventDefault();
      field.focus();
    } else if (event.key === 'n') step(1);
    else if (event.key === 'p') step(-1);
  });
}

/** A browser without highlights marks nothing. */
function createMarks() {
  const highlight = typeof Highlight === 'undefined' ? null : new Highlight();
  if (highlight) CSS.highlights.set(HIGHLIGHT, highlight);
  return {
    clear: () => highlight?.clear(),
    count: () => highlight?.size ?? 0,
    /** Every place in this line. */
    add: (line: HTMLElement, wanted: string): void => {
      const text = line.firstChild;
      if (!highlight || !(text instanceof Text)) return;
      const content = text.data.toLowerCase();
      for (let at = content.indexOf(wanted); at >= 0; at = content.indexOf(wanted, at + wanted.length)) {
        if (at + wanted.length > text.length) return;
        const range = new Range();
        range.setStart(text, at);
        range.setEnd(text, at + wanted.length);
        highlight.add(range);
      }
    },
  };
}

function isShown(line: HTMLElement): boolean {
  return !line.closest('.only-errors') || line.dataset['error'] !== undefined;
}
