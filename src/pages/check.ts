// The page on which participants check their browser and account before the workshop (templates/public/check.js).
import { layoutView } from './layout.ts';
import { render } from './render.ts';
import { workshopView, type Workshop } from './workshop.ts';

/** @param now the server's clock; the browser's clock is compared with it */
export function renderCheck(workshop: Workshop, now: Date): string {
  return render('check', {
    workshopTitle: workshop.title ?? null,
    ...layoutView({ title: 'Check before the workshop', area: 'participant', modules: ['check.js'] }),
    ...workshopView(workshop),
    now: now.toISOString(),
  });
}
