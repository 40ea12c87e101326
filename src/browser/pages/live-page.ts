// Keeps a page up to date that the server renders: asks for it again and changes what is different, so that the focus, open
// details and what is selected stay. What the server sends becomes parsed elements; scripts never run.
import { pause, showConnection, untilVisible } from '../connection.ts';
import { dataOf, find, findAll } from '../dom.ts';
import { localizeTimes, updateAges } from '../local-times.ts';
import { readPage, request } from '../request.ts';

const EVERY_MS = 3_000;
const LONGEST_MS = 30_000;
const GROWTH = 1.5;
const AGES_MS = 10_000;

const parts = findAll(HTMLElement, '[data-live-part]');
const address = find(HTMLElement, '[data-address]')?.dataset['address'] ?? location.pathname;
for (const note of findAll(HTMLElement, '[data-live-note]')) note.hidden = false;
// The page may have come as the answer to a form: loading it again must not send the form again, nor say again what was done.
if (location.pathname !== address || new URLSearchParams(location.search).has('done'))
  history.replaceState(null, '', address);

setInterval(() => updateAges(document), AGES_MS);
if (parts.length > 0) void follow();

async function follow(): Promise<void> {
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
    waitMs = page === null ? Math.min(waitMs * GROWTH, LONGEST_MS) : EVERY_MS;
    if (page) update(page);
  }
}

/** The page as it is now; null where the server cannot say. */
async function ask(): Promise<Document | 'gone' | null> {
  try {
    const response = await request(address, 'text/html');
    if (response.status === 404) return 'gone';
    return response.ok ? await readPage(response) : null;
  } catch {
    return null;
  }
}

function update(page: Document): void {
  for (const part of parts) {
    const news = find(HTMLElement, `[data-live-part="${dataOf(part, 'livePart')}"]`, page);
    if (!news) continue;
    localizeTimes(news);
    updateAges(news);
    become(part, news);
  }
}

/** Makes an element like another one, changing only what differs. */
function become(element: Element, model: Element): void {
  copyAttributes(element, model);
  const keyed = new Map([...element.children].map((child) => [keyOf(child), child]));
  keyed.delete(null);
  let place = element.firstChild;
  for (const wanted of [...model.childNodes]) {
    const known = keyed.get(keyOf(wanted)) ?? null;
    if (known && known !== place) element.insertBefore(known, place);
    const found: ChildNode | null = known ?? place;
    if (found && isAlike(found, wanted)) {
      becomeNode(found, wanted);
      place = found.nextSibling;
    } else {
      element.insertBefore(document.importNode(wanted, true), place);
    }
  }
  while (place) {
    const next: ChildNode | null = place.nextSibling;
    place.remove();
    place = next;
  }
}

function becomeNode(node: Node, model: Node): void {
  if (node instanceof Element && model instanceof Element) become(node, model);
  else if (node.nodeValue !== model.nodeValue) node.nodeValue = model.nodeValue;
}

function copyAttributes(element: Element, model: Element): void {
  for (const { name, value } of model.attributes)
    if (element.getAttribute(name) !== value && !isKept(element, name)) element.setAttribute(name, value);
  for (const { name } of [...element.attributes])
    if (!model.hasAttribute(name) && !isKept(element, name)) element.removeAttribute(name);
}

function keyOf(node: Node): string | null {
  return node instanceof Element ? node.getAttribute('data-key') : null;
}

function isAlike(node: Node, model: Node): boolean {
  return node.nodeType === model.nodeType && node.nodeName === model.nodeName && keyOf(node) === keyOf(model);
}

/** What the reader or a script set: details that are open, the title of a time, what a script made visible. */
function isKept(element: Element, name: string): boolean {
  return (
    (name === 'open' && element.localName === 'details') ||
    (name === 'title' && element.localName === 'time') ||
    (name === 'hidden' && element.hasAttribute('data-scripted'))
  );
}
