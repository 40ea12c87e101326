// From when on something takes too long.
import { z } from 'zod';
import { minutes } from './rules.ts';
import { env } from './setting.ts';

export const deadlines = z.object({
  startMs: env('START_DEADLINE_MINUTES', minutes(1, 1_440), {
    default: 15,
    meaning: 'A machine that has been starting for longer is shown as overdue.',
  }),
  recycleMs: env('RECYCLE_DEADLINE_MINUTES', minutes(1, 1_440), {
    default: 10,
    meaning: 'A machine whose reset or destruction takes longer is shown as overdue.',
  }),
  deliveryMs: env('DELIVERY_DEADLINE_MINUTES', minutes(1, 1_440), {
    default: 2,
    meaning:
      'A command that the machine has not fetched or not confirmed after this time is shown as overdue.',
  }),
});
