// What every page has: times in the reader's zone, buttons that copy.
import { localizeTimes } from './times.js';
import { enableCopying } from './copy.js';

localizeTimes(document);
enableCopying(document);
