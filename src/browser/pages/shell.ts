// What every page has: times in the reader's zone, buttons that copy.
import { enableCopying } from '../copy.ts';
import { enableExactTimes, localizeTimes } from '../local-times.ts';

// Without this, the page says after a while that it has not loaded completely.
document.documentElement.dataset['loaded'] = '';
localizeTimes(document);
enableExactTimes();
enableCopying();
