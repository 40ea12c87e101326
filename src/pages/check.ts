// What a participant tries out a week before: a page to send around. templates/public/check.js looks at the browser.
import { layoutView } from './layout.ts';
import { render } from './render.ts';
import { words } from './words.ts';
import { workshopView, type Workshop } from './workshop.ts';

/** @param now the server's clock, against which the browser's is held */
export function renderCheck(workshop: Workshop, now: Date): string {
  return render('check', {
    ...layoutView({ title: words.check.title, area: 'participant', modules: ['check.js'] }),
    ...workshopView(workshop),
    now: now.toISOString(),
    results: Object.entries(words.check.results).map(([name, [topic, good, bad]]) => ({
      name,
      topic,
      good,
      bad,
    })),
  });
}
