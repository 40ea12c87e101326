// The page that destroys machines comes at once; the machines are asked afterwards what is on them, which takes some seconds.
import { announce } from '../announce.ts';
import { dataOf, find, need } from '../dom.ts';
import { readPage, request } from '../request.ts';

const SECTION = '[data-unsaved-work]';

const known = find(HTMLElement, `${SECTION}[data-survey]`);
if (known) void survey(known);

async function survey(section: HTMLElement): Promise<void> {
  const asking = need(HTMLElement, '[data-asking]', section);
  asking.hidden = false;
  const found = await surveyed(dataOf(section, 'survey'));
  if (found === null) {
    asking.textContent = dataOf(section, 'failed');
    return;
  }
  section.replaceWith(document.importNode(found, true));
  announce(need(HTMLElement, 'h2', found).textContent);
}

/** The same section of a page that asked the machines; null where the server could not. */
async function surveyed(address: string): Promise<HTMLElement | null> {
  try {
    const response = await request(address, 'text/html');
    return response.ok ? find(HTMLElement, SECTION, await readPage(response)) : null;
  } catch {
    return null;
  }
}
