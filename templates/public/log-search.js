// Searches lines: how many match, which one is shown, and all matches marked. Marks are the browser's own highlights, so
// that lines stay as they are.
const HIGHLIGHT = 'log-match';
const HIGHLIGHTS_MAX = 2_000;
const DELAY_MS = 120;

export function searchLines({ root, log, labels, lines, show }) {
  const field = root.querySelector('input[type="search"]');
  const count = root.querySelector('[data-matches]');
  const buttons = {
    previous: root.querySelector('[data-previous]'),
    next: root.querySelector('[data-next]'),
  };
  const highlight = typeof Highlight === 'undefined' ? null : new Highlight();
  if (highlight) CSS.highlights.set(HIGHLIGHT, highlight);
  let wanted = '';
  let matches = [];
  let current = null;
  let timer = 0;

  const isMatch = (line) =>
    line.isConnected && isShown(line) && line.textContent.toLowerCase().includes(wanted);

  function again() {
    wanted = field.value.toLowerCase();
    matches = wanted === '' ? [] : lines().filter(isMatch);
    highlight?.clear();
    for (const line of matches.slice(-HIGHLIGHTS_MAX)) mark(line);
    if (!matches.includes(current)) setCurrent(null);
    say();
  }

  /** New ones; those that went are forgotten. */
  function added(newLines) {
    if (wanted === '') return;
    matches = matches.filter((line) => line.isConnected);
    const found = newLines.filter(isMatch);
    matches.push(...found);
    if (highlight && highlight.size < HIGHLIGHTS_MAX) found.forEach(mark);
    say();
  }

  function mark(line) {
    const [text] = line.childNodes;
    if (!highlight || !text) return;
    const content = text.data.toLowerCase();
    for (let at = content.indexOf(wanted); at >= 0; at = content.indexOf(wanted, at + wanted.length)) {
      if (at + wanted.length > text.length) return;
      const range = new Range();
      range.setStart(text, at);
      range.setEnd(text, at + wanted.length);
      highlight.add(range);
    }
  }

  function step(by) {
    if (matches.length === 0) return;
    const at = matches.indexOf(current);
    const to = at < 0 ? (by > 0 ? 0 : matches.length - 1) : (at + by + matches.length) % matches.length;
    setCurrent(matches[to]);
    show(current);
    say();
  }

  function setCurrent(line) {
    current?.classList.remove('current');
    current = line;
    current?.classList.add('current');
  }

  function say() {
    buttons.previous.disabled = buttons.next.disabled = matches.length === 0;
    const at = matches.indexOf(current) + 1;
    const found = labels.matches
      .replace('{n}', at.toLocaleString())
      .replace('{of}', matches.length.toLocaleString());
    const text = wanted === '' ? '' : matches.length === 0 ? labels.noMatch : found;
    if (count.textContent !== text) count.textContent = text;
  }

  field.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(again, DELAY_MS);
  });
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    clearTimeout(timer);
    if (field.value.toLowerCase() !== wanted) again();
    step(event.shiftKey ? -1 : 1);
  });
  buttons.next.addEventListener('click', () => step(1));
  buttons.previous.addEventListener('click', () => step(-1));
  // Only for whoever is in the lines: a key alone must do nothing elsewhere.
  log.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/') {
      event.preventDefault();
      field.focus();
    } else if (event.key === 'n') step(1);
    else if (event.key === 'p') step(-1);
  });
  return { again, added };
}

function isShown(line) {
  return !line.closest('.only-errors') || 'error' in line.dataset;
}
