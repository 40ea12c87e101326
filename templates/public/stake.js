// The page that destroys comes at once; what is on the machines is asked afterwards, since that takes some seconds.
import { announce } from './announce.js';

const known = document.querySelector('[data-stake][data-survey]');
if (known) void ask(known);

async function ask(section) {
  const asking = section.querySelector('[data-asking]');
  asking.hidden = false;
  const found = await surveyed(section.dataset.survey);
  if (found === null) {
    asking.textContent = section.dataset.failed;
    return;
  }
  section.replaceWith(document.importNode(found, true));
  announce(found.querySelector('h2').textContent);
}

/** The same part of the page, once the machines were asked; null where the server cannot say. */
async function surveyed(address) {
  try {
    const response = await fetch(address, { headers: { Accept: 'text/html' }, cache: 'no-store' });
    if (!response.ok) return null;
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    return page.querySelector('[data-stake]');
  } catch {
    return null;
  }
}
