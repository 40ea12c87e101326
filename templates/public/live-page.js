// Keeps a page up to date that the server renders: asks for it again and puts in what is different, so that focus, open
// details and what is selected stay. What the server says goes in as parsed elements of the same page; scripts never run.
import { pause, showConnection, untilVisible } from './connection.js';
import { tellAgo } from './spans.js';
import { localizeTimes } from './times.js';

const EVERY_MS = 3_000;
const LONGEST_MS = 30_000;
const AGO_MS = 10_000;
const parts = [...document.querySelectorAll('[data-live-part]')];
const address = document.querySelector('[data-address]')?.dataset.address ?? location.pathname;
for (const note of document.querySelectorAll('[data-live-note]')) note.hidden = false;
// The page may have come as the answer to a form: loading it again must not send the form again.
if (location.pathname !== address) history.replaceState(null, '', address);

setInterval(() => tellAgo(document), AGO_MS);
if (parts.length > 0) void follow();

async function follow() {
  let waitMs = EVERY_MS;
  for (;;) {
    await pause(waitMs);
    await untilVisible();
    const page = await ask();
    if (page === 'gone') {
      location.reload();
      return;
    }
    showConnection(page !== null);
    waitMs = page === null ? Math.min(waitMs * 1.5, LONGEST_MS) : EVERY_MS;
    if (page) update(page);
  }
}

/** The page as it is now; null where the server cannot say. */
async function ask() {
  try {
    const response = await fetch(address, { headers: { Accept: 'text/html' }, cache: 'no-store' });
    if (response.status === 404) return 'gone';
    if (!response.ok) return null;
    return new DOMParser().parseFromString(await response.text(), 'text/html');
  } catch {
    return null;
  }
}

function update(page) {
  for (const part of parts) {
    const news = page.querySelector(`[data-live-part="${part.dataset.livePart}"]`);
    if (!news) continue;
    localizeTimes(news);
    tellAgo(news);
    become(part, news);
  }
}

/** Makes an element like another one, changing only what differs. */
function become(element, model) {
  for (const { name, value } of model.attributes)
    if (element.getAttribute(name) !== value && !isReaders(element, name)) element.setAttribute(name, value);
  for (const { name } of [...element.attributes])
    if (!model.hasAttribute(name) && !isReaders(element, name)) element.removeAttribute(name);
  const named = new Map();
  for (const child of element.children) if (child.dataset.key) named.set(child.dataset.key, child);
  let place = element.firstChild;
  for (const wanted of [...model.childNodes]) {
    const known = wanted.nodeType === Node.ELEMENT_NODE ? named.get(wanted.dataset.key) : undefined;
    if (known && known !== place) element.insertBefore(known, place);
    const found = known ?? place;
    if (found && isAlike(found, wanted)) {
      if (wanted.nodeType === Node.ELEMENT_NODE) become(found, wanted);
      else if (found.nodeValue !== wanted.nodeValue) found.nodeValue = wanted.nodeValue;
      place = found.nextSibling;
    } else {
      element.insertBefore(document.importNode(wanted, true), place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function isAlike(node, model) {
  if (node.nodeType !== model.nodeType || node.nodeName !== model.nodeName) return false;
  return node.nodeType !== Node.ELEMENT_NODE || node.dataset.key === model.dataset.key;
}

/** What is the reader's, or a script's: what they opened, what they point at, and what was made visible. */
function isReaders(element, name) {
  return (
    (name === 'open' && element.localName === 'details') ||
    (name === 'title' && element.localName === 'time') ||
    (name === 'hidden' && 'scripted' in element.dataset)
  );
}
