// The part of the catalogue of problems that is about a workshop's day: who gets a machine, and what is planned.

export const workshopProblems = {
  workshop_scheduled: {
    status: 409,
    title: 'Not open yet',
    detail: 'The workshop has not opened yet. Come back when it opens.',
  },
  workshop_closed: {
    status: 409,
    title: 'Closed',
    detail:
      'The workshop is closed, and no more machines are assigned. If you have a machine, open its page with your e-mail address and PIN.',
  },
  code_required: {
    status: 403,
    title: 'Workshop code required',
    detail: 'This workshop needs a code. Enter it, or ask your instructor for it.',
  },
  code_wrong: {
    status: 403,
    title: 'Wrong workshop code',
    detail: 'This is not the code of this workshop. Check it, or ask your instructor for it.',
  },
  not_on_roster: {
    status: 403,
    title: 'Not on the list of participants',
    detail:
      'This e-mail address is not on the list of participants. Use the address that you registered with, or ask your instructor.',
  },
  too_many_code_attempts: {
    status: 429,
    title: 'Too many wrong codes',
    detail: 'Too many wrong workshop codes. Wait a few minutes, or ask your instructor.',
  },
  scheduled_not_found: {
    status: 404,
    title: 'Not in the schedule',
    detail: 'There is no such entry in the schedule. Reload the page.',
  },
  schedule_state: {
    status: 409,
    title: 'Not possible any more',
    detail:
      'The entry runs now or has ended, or its time has passed, so that nothing was changed. Reload the page to see what is still possible, or add another entry.',
  },
  schedule_full: {
    status: 409,
    title: 'Schedule full',
    detail: 'The schedule has as many entries as it can have. Cancel some of them.',
  },
  place_code_required: {
    status: 409,
    title: 'Code required',
    detail:
      'This e-mail is on the waiting list, from another browser. Enter the code that is shown there, or ask your instructor to remove that place.',
  },
  too_many_places: {
    status: 409,
    title: 'Too many places',
    detail:
      'This browser has as many places on the waiting list as it may have. Use your own browser, or ask your instructor.',
  },
  waiting_list_full: {
    status: 409,
    title: 'Waiting list full',
    detail: 'The waiting list is full. Please ask your instructor for help.',
  },
  upload_not_found: {
    status: 404,
    title: 'Upload not found',
    detail: 'This table was taken already, or is older than a day. Upload it again.',
  },
  place_not_found: {
    status: 404,
    title: 'Not on the waiting list',
    detail: 'There is no such place on the waiting list, or it belongs to another browser.',
  },
} as const;
