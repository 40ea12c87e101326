// What every page has: times in the reader's zone, buttons that copy.
import { enableCopying } from '../copy.ts';
import { enableExactTimes, localizeTimes } from '../local-times.ts';

localizeTimes(document);
enableExactTimes();
enableCopying();
