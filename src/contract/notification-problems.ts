// The problems of notifications: a part of the catalogue in problems.ts.

export const notificationProblems = {
  recipient_not_found: {
    status: 404,
    title: 'Recipient not found',
    detail: 'There is no such recipient of notifications. Reload the list.',
  },
  delivery_not_found: {
    status: 404,
    title: 'Delivery not found',
    detail: 'There is no such delivery, or it has not failed. Reload the list.',
  },
  recipient_exists: {
    status: 409,
    title: 'Recipient exists',
    detail: 'This address is a recipient already. Change it in the list, or remove it there first.',
  },
  too_many_recipients: {
    status: 409,
    title: 'Too many recipients',
    detail: 'There are as many recipients as there may be. Remove one first.',
  },
} as const;
